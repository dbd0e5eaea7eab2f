//! Bytes to values.
//!
//! The code runs on a stack of values; containers are built from what lies on top. Nothing is
//! allocated for what is not there yet: a text is as long as the bytes that follow, a tuple takes
//! what was pushed, and the places of all lists together cannot be more than the input has bytes.

use super::op::{self, Operand};
use super::value::Value;

/// What may be decoded.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one value.
    pub bytes: usize,
    /// Values, counting those inside of others.
    pub values: usize,
    /// Containers inside of containers. What is decoded is walked by recursion later on.
    pub depth: u16,
}

impl Default for Limits {
    /// An order of magnitude above the largest that is known: the removal of a mirror with
    /// hundreds of thousands of files is one entry.
    fn default() -> Self {
        Self {
            bytes: 256 * 1024 * 1024,
            values: 16 * 1024 * 1024,
            depth: 64,
        }
    }
}

/// Why bytes are no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("the value is cut off")]
    Truncated,
    /// A byte that is no operation.
    #[error("unknown operation {operation:#04x} at byte {position}")]
    UnknownOperation {
        /// The byte.
        operation: u8,
        /// Where it stands.
        position: usize,
    },
    /// An operation that does not fit what was there before it.
    #[error("malformed value at byte {position}")]
    Malformed {
        /// Where the operation stands.
        position: usize,
    },
    /// There are bytes after the end.
    #[error("bytes follow the value, from byte {position}")]
    TrailingBytes {
        /// Where they start.
        position: usize,
    },
    /// More than the limits admit.
    #[error("the value is larger, deeper or of more parts than is taken")]
    TooLarge,
}

/// Decodes one whole value.
///
/// # Errors
/// [`DecodeError`]; never panics, whatever the bytes.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<Value, DecodeError> {
    if bytes.len() > limits.bytes {
        return Err(DecodeError::TooLarge);
    }
    let mut machine = Machine {
        bytes,
        position: 0,
        stack: Vec::new(),
        values: limits.values,
        places: bytes.len().min(limits.values),
        depth: limits.depth,
    };
    let value = machine.run()?;
    if machine.position < bytes.len() {
        return Err(DecodeError::TrailingBytes {
            position: machine.position,
        });
    }
    Ok(value)
}

/// A value with the number of containers that it is high.
struct Item {
    value: Value,
    height: u16,
}

struct Machine<'a> {
    bytes: &'a [u8],
    position: usize,
    stack: Vec<Item>,
    /// How many values may still be made.
    values: usize,
    /// How many places of lists may still be made.
    places: usize,
    depth: u16,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Value, DecodeError> {
        loop {
            let start = self.position;
            let operation = self.take(1)?[0];
            if operation == op::STOP {
                let last = self.stack.pop();
                return match (last, self.stack.is_empty()) {
                    (Some(item), true) => Ok(item.value),
                    _ => Err(DecodeError::Malformed { position: start }),
                };
            }
            let operand = match op::operand(operation) {
                Some(Operand::None) => &[][..],
                Some(Operand::Fixed(length)) => self.take(length)?,
                Some(Operand::Counted) => {
                    let length = self.count(start)?;
                    self.take(length)?
                }
                None => {
                    return Err(DecodeError::UnknownOperation {
                        operation,
                        position: start,
                    });
                }
            };
            self.execute(operation, operand, start)?;
        }
    }

    fn execute(&mut self, operation: u8, operand: &[u8], start: usize) -> Result<(), DecodeError> {
        let malformed = DecodeError::Malformed { position: start };
        let value = match operation {
            op::NONE => Value::None,
            op::TRUE => Value::Bool(true),
            op::FALSE => Value::Bool(false),
            op::INTEGER | op::LONG => Value::Integer(integer(operand).into()),
            op::BIG_INTEGER | op::BIG_LONG => big_integer(operand).ok_or(malformed)?,
            op::FLOAT => Value::Float(float(operand)),
            op::COMPLEX => Value::Complex(float(&operand[..8]), float(&operand[8..])),
            op::BYTES => Value::Bytes(operand.to_vec()),
            op::TEXT | op::UNICODE => {
                Value::Text(str::from_utf8(operand).map_err(|_| malformed)?.to_owned())
            }
            // Python 2 did not tell text from bytes. What devpi kept in them was text.
            op::PYTHON_2_TEXT => match str::from_utf8(operand) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => Value::Bytes(operand.to_vec()),
            },
            op::NEW_DICT => return self.push(Value::Dict(Vec::new()), 1),
            op::NEW_LIST => {
                let places = usize::try_from(integer(operand)).map_err(|_| malformed)?;
                self.places = self.places.checked_sub(places).ok_or(malformed)?;
                return self.push(Value::List(vec![Value::None; places]), 1);
            }
            op::BUILD_TUPLE => return self.collect(operand, malformed, Value::Tuple),
            op::SET => return self.collect(operand, malformed, Value::Set),
            op::FROZEN_SET => return self.collect(operand, malformed, Value::FrozenSet),
            // `STOP` and what is unknown do not come here.
            _ => return self.set_item(malformed),
        };
        self.push(value, 0)
    }

    fn push(&mut self, value: Value, height: u16) -> Result<(), DecodeError> {
        self.values = self.values.checked_sub(1).ok_or(DecodeError::TooLarge)?;
        if height > self.depth {
            return Err(DecodeError::TooLarge);
        }
        self.stack.push(Item { value, height });
        Ok(())
    }

    /// Makes the top of the stack one value.
    fn collect(
        &mut self,
        operand: &[u8],
        malformed: DecodeError,
        make: fn(Vec<Value>) -> Value,
    ) -> Result<(), DecodeError> {
        let first = usize::try_from(integer(operand))
            .ok()
            .and_then(|length| self.stack.len().checked_sub(length))
            .ok_or(malformed)?;
        let mut height = 0;
        let items = self
            .stack
            .drain(first..)
            .map(|item| {
                height = height.max(item.height);
                item.value
            })
            .collect();
        self.push(make(items), height.saturating_add(1))
    }

    /// Puts a value into the list or dictionary below it and its key.
    fn set_item(&mut self, malformed: DecodeError) -> Result<(), DecodeError> {
        let (Some(value), Some(key)) = (self.stack.pop(), self.stack.pop()) else {
            return Err(malformed);
        };
        let container = self.stack.last_mut().ok_or(malformed)?;
        let height = value.height.max(key.height).saturating_add(1);
        if height > self.depth {
            return Err(DecodeError::TooLarge);
        }
        container.height = container.height.max(height);
        match (&mut container.value, &key.value) {
            (Value::Dict(items), _) => items.push((key.value, value.value)),
            (Value::List(items), Value::Integer(place)) => {
                let place = usize::try_from(*place).map_err(|_| malformed)?;
                *items.get_mut(place).ok_or(malformed)? = value.value;
            }
            _ => return Err(malformed),
        }
        Ok(())
    }

    fn count(&mut self, start: usize) -> Result<usize, DecodeError> {
        let length = integer(self.take(4)?);
        usize::try_from(length).map_err(|_| DecodeError::Malformed { position: start })
    }
}

impl<'a> Machine<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let taken = self
            .bytes
            .get(self.position..)
            .and_then(|rest| rest.get(..length))
            .ok_or(DecodeError::Truncated)?;
        self.position += length;
        Ok(taken)
    }
}

/// Four bytes; the caller took as many.
fn integer(bytes: &[u8]) -> i32 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| i32::from_be_bytes(*bytes))
}

/// Eight bytes; the caller took as many.
fn float(bytes: &[u8]) -> f64 {
    bytes
        .first_chunk()
        .map_or(0.0, |bytes| f64::from_be_bytes(*bytes))
}

fn big_integer(digits: &[u8]) -> Option<Value> {
    let text = str::from_utf8(digits).ok()?;
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    if unsigned.is_empty() || !unsigned.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(match text.parse() {
        Ok(number) => Value::Integer(number),
        Err(_) => Value::BigInteger(text.to_owned()),
    })
}
