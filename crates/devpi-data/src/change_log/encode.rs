//! Values to bytes, as devpi writes them.

use super::op;
use super::value::Value;

/// Encodes one value. Decoding gives the same value again.
///
/// # Panics
/// When a text or a container is longer than 2 GiB, which no value that was decoded is.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, value);
    bytes.push(op::STOP);
    bytes
}

fn write(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::None => bytes.push(op::NONE),
        Value::Bool(true) => bytes.push(op::TRUE),
        Value::Bool(false) => bytes.push(op::FALSE),
        Value::Integer(number) => write_integer(bytes, *number),
        Value::BigInteger(digits) => counted(bytes, op::BIG_INTEGER, digits.as_bytes()),
        Value::Float(number) => {
            bytes.push(op::FLOAT);
            bytes.extend(number.to_be_bytes());
        }
        Value::Complex(real, imaginary) => {
            bytes.push(op::COMPLEX);
            bytes.extend(real.to_be_bytes());
            bytes.extend(imaginary.to_be_bytes());
        }
        Value::Bytes(content) => counted(bytes, op::BYTES, content),
        Value::Text(text) => counted(bytes, op::TEXT, text.as_bytes()),
        Value::Tuple(items) => collected(bytes, op::BUILD_TUPLE, items),
        Value::Set(items) => collected(bytes, op::SET, items),
        Value::FrozenSet(items) => collected(bytes, op::FROZEN_SET, items),
        Value::List(items) => {
            bytes.push(op::NEW_LIST);
            length(bytes, items.len());
            for (place, item) in items.iter().enumerate() {
                bytes.push(op::INTEGER);
                length(bytes, place);
                write(bytes, item);
                bytes.push(op::SET_ITEM);
            }
        }
        Value::Dict(items) => {
            bytes.push(op::NEW_DICT);
            for (key, item) in items {
                write(bytes, key);
                write(bytes, item);
                bytes.push(op::SET_ITEM);
            }
        }
    }
}

fn write_integer(bytes: &mut Vec<u8>, number: i64) {
    match i32::try_from(number) {
        Ok(number) => {
            bytes.push(op::INTEGER);
            bytes.extend(number.to_be_bytes());
        }
        Err(_) => counted(bytes, op::BIG_INTEGER, number.to_string().as_bytes()),
    }
}

fn counted(bytes: &mut Vec<u8>, operation: u8, content: &[u8]) {
    bytes.push(operation);
    length(bytes, content.len());
    bytes.extend(content);
}

fn collected(bytes: &mut Vec<u8>, operation: u8, items: &[Value]) {
    for item in items {
        write(bytes, item);
    }
    bytes.push(operation);
    length(bytes, items.len());
}

fn length(bytes: &mut Vec<u8>, length: usize) {
    let length = i32::try_from(length).expect("nothing that is kept has 2 GiB");
    bytes.extend(length.to_be_bytes());
}
