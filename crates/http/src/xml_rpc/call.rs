//! Reading a call, whoever wrote it.
//!
//! Strings, arrays and structs are read; of other values only the text. There are no entities but
//! those of XML itself, no document types, and nothing goes deeper than a call of ours.

use quick_xml::Reader;
use quick_xml::events::Event;

/// How deep arrays and structs may stand in each other.
const MAX_DEPTH: usize = 8;

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) parameters: Vec<Value>,
}

/// A value of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<Value>),
    Struct(Vec<(String, Value)>),
}

impl Value {
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Call {
    /// Reads a call; the error says what is wrong with it.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(body).map_err(|_| "the call is no UTF-8".to_owned())?;
        let mut input = Input::new(text);
        input.open("methodCall")?;
        let method = input.text_of("methodName")?.trim().to_owned();
        let mut parameters = Vec::new();
        if input.opens("params")? {
            while input.opens("param")? {
                parameters.push(input.value(0)?);
                input.close("param")?;
            }
            input.close("params")?;
        }
        input.close("methodCall")?;
        Ok(Self { method, parameters })
    }
}

/// Tags and texts, one after the other.
struct Input<'a> {
    reader: Reader<&'a [u8]>,
    /// What was looked at and not taken.
    ahead: Option<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open(String),
    Close(String),
    Text(String),
    End,
}

impl<'a> Input<'a> {
    fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            ahead: None,
        }
    }

    fn next(&mut self) -> Result<Token, String> {
        if let Some(token) = self.ahead.take() {
            return Ok(token);
        }
        let malformed = |error: quick_xml::Error| format!("the call is malformed: {error}");
        loop {
            return Ok(match self.reader.read_event().map_err(malformed)? {
                Event::Start(tag) => Token::Open(name(tag.local_name().as_ref())),
                Event::End(tag) => Token::Close(name(tag.local_name().as_ref())),
                Event::Text(text) => Token::Text(name(&text)),
                Event::CData(text) => Token::Text(name(&text)),
                Event::GeneralRef(reference) => Token::Text(character(&name(&reference))?),
                Event::Eof => Token::End,
                Event::DocType(_) => return Err("a call has no document type".to_owned()),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            });
        }
    }

    /// The next tag; blanks between tags mean nothing.
    fn tag(&mut self) -> Result<Token, String> {
        loop {
            match self.next()? {
                Token::Text(text) if text.trim().is_empty() => {}
                token => return Ok(token),
            }
        }
    }

    /// Takes the tag if it comes next.
    fn opens(&mut self, name: &str) -> Result<bool, String> {
        let token = self.tag()?;
        if matches!(&token, Token::Open(found) if found == name) {
            return Ok(true);
        }
        self.ahead = Some(token);
        Ok(false)
    }

    fn open(&mut self, name: &str) -> Result<(), String> {
        if self.opens(name)? {
            Ok(())
        } else {
            Err(format!("the call has no <{name}> where one belongs"))
        }
    }

    fn close(&mut self, name: &str) -> Result<(), String> {
        match self.tag()? {
            Token::Close(found) if found == name => Ok(()),
            _ => Err(format!("<{name}> holds too much, or does not end")),
        }
    }

    fn text_of(&mut self, name: &str) -> Result<String, String> {
        self.open(name)?;
        let text = self.text()?;
        self.close(name)?;
        Ok(text)
    }

    fn text(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Token::Text(part) => text.push_str(&part),
                token => {
                    self.ahead = Some(token);
                    return Ok(text);
                }
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("the values of the call are nested too deeply".to_owned());
        }
        self.open("value")?;
        let text = self.text()?;
        let value = match self.next()? {
            Token::Open(kind) => {
                let value = match kind.as_str() {
                    "array" => self.items(depth)?,
                    "struct" => self.members(depth)?,
                    _ => Value::Text(self.text()?),
                };
                self.close(&kind)?;
                value
            }
            // A text without a type is a string.
            token => {
                self.ahead = Some(token);
                Value::Text(text)
            }
        };
        self.close("value")?;
        Ok(value)
    }

    fn items(&mut self, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        self.open("data")?;
        while self.comes("value")? {
            items.push(self.value(depth + 1)?);
        }
        self.close("data")?;
        Ok(Value::List(items))
    }

    fn members(&mut self, depth: usize) -> Result<Value, String> {
        let mut members = Vec::new();
        while self.opens("member")? {
            let name = self.text_of("name")?;
            members.push((name, self.value(depth + 1)?));
            self.close("member")?;
        }
        Ok(Value::Struct(members))
    }

    /// Whether the tag comes next; it stays where it is.
    fn comes(&mut self, name: &str) -> Result<bool, String> {
        let token = self.tag()?;
        let comes = matches!(&token, Token::Open(found) if found == name);
        self.ahead = Some(token);
        Ok(comes)
    }
}

/// The whole body was UTF-8 before.
fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `&amp;`, `&#65;` or `&#x41;` stands for.
fn character(reference: &str) -> Result<String, String> {
    let number = match reference.strip_prefix('#') {
        Some(number) => match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        },
        None => quick_xml::escape::resolve_xml_entity(reference)
            .and_then(|text| text.chars().next())
            .map(u32::from),
    };
    number
        .and_then(char::from_u32)
        .map(String::from)
        .ok_or_else(|| format!("the call names an unknown entity &{reference};"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Python's `xmlrpc.client` writes it.
    const PIPS: &str = "<?xml version='1.0'?>\n<methodCall>\n<methodName>search</methodName>\n\
        <params>\n<param>\n<value><struct>\n<member>\n<name>name</name>\n<value><array><data>\n\
        <value><string>a&lt;b&amp;&#67;</string></value>\n</data></array></value>\n</member>\n\
        </struct></value>\n</param>\n<param>\n<value>or</value>\n</param>\n</params>\n</methodCall>\n";

    #[test]
    fn a_call_is_read() {
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(
            Call::parse(PIPS.as_bytes()),
            Ok(Call {
                method: "search".to_owned(),
                parameters: vec![
                    Value::Struct(vec![("name".to_owned(), Value::List(vec![text("a<b&C")]))]),
                    text("or"),
                ],
            })
        );
        let empty = "<methodCall><methodName>x</methodName><params><param><value><int/></value>\
            </param><param><value/></param></params></methodCall>";
        assert_eq!(
            Call::parse(empty.as_bytes()).map(|call| call.parameters),
            Ok(vec![text(""), text("")])
        );
    }

    #[test]
    fn whatever_else_comes_is_refused() {
        let deep = format!(
            "<methodCall><methodName>x</methodName><params><param>{}",
            "<value><array><data>".repeat(10_000)
        );
        let bomb = "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>\
            <methodCall><methodName>&b;</methodName></methodCall>";
        for body in [
            &b""[..],
            b"<a",
            b"<methodCall>",
            b"<methodCall/>",
            b"<methodCall><methodName>x</methodName></wrong>",
            b"<methodCall><methodName>&unknown;</methodName></methodCall>",
            b"<methodCall><methodName>&#xd800;</methodName></methodCall>",
            b"<methodCall><methodName>\xff</methodName></methodCall>",
            b"{\"name\": \"x\"}",
            deep.as_bytes(),
            bomb.as_bytes(),
        ] {
            assert!(
                Call::parse(body).is_err(),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }
}
