//! Bytes that devpi-server 6.20.3 wrote, and bytes that nobody should write.

use super::*;

fn bytes(hexadecimal: &str) -> Vec<u8> {
    (0..hexadecimal.len())
        .step_by(2)
        .map(|place| u8::from_str_radix(&hexadecimal[place..place + 2], 16).unwrap())
        .collect()
}

fn int(number: i64) -> Value {
    Value::from(number)
}

fn list(items: Vec<Value>) -> Value {
    Value::List(items)
}

fn tuple(items: Vec<Value>) -> Value {
    Value::Tuple(items)
}

fn dict(items: Vec<(Value, Value)>) -> Value {
    Value::Dict(items)
}

/// What devpi's own encoder makes of a value.
fn written() -> Vec<(&'static str, Value)> {
    let big = |digits: &str| Value::BigInteger(digits.to_owned());
    vec![
        ("4c51", Value::None),
        ("5251", Value::Bool(true)),
        ("4351", Value::Bool(false)),
        ("460000000051", int(0)),
        ("46ffffffff51", int(-1)),
        ("467fffffff51", int(2_147_483_647)),
        ("468000000051", int(-2_147_483_648)),
        ("480000000a3231343734383336343851", int(2_147_483_648)),
        (
            "48000000133932323333373230333638353437373538303851",
            big("9223372036854775808"),
        ),
        (
            "480000001f3130303030303030303030303030303030303030303030303030303030303051",
            big("1000000000000000000000000000000"),
        ),
        ("44000000000000000051", Value::Float(0.0)),
        ("443ff800000000000051", Value::Float(1.5)),
        ("447ff000000000000051", Value::Float(f64::INFINITY)),
        ("447fe1ccf385ebc8a051", Value::Float(1e308)),
        ("4e0000000051", "".into()),
        ("4e000000016151", "a".into()),
        ("4e00000009c3bce282acf09d849e51", "ü€𝄞".into()),
        ("410000000051", Value::Bytes(vec![])),
        ("410000000200ff51", Value::Bytes(vec![0, 255])),
        ("400000000051", tuple(vec![])),
        ("4600000001400000000151", tuple(vec![int(1)])),
        (
            "460000000146000000024e00000001784000000002400000000251",
            tuple(vec![int(1), tuple(vec![int(2), "x".into()])]),
        ),
        ("4b0000000051", list(vec![])),
        (
            "4b00000003460000000046000000015046000000014c5046000000024e00000001615051",
            list(vec![int(1), Value::None, "a".into()]),
        ),
        (
            "4b0000000246000000004b000000005046000000014b0000000146000000004b00000000505051",
            list(vec![list(vec![]), list(vec![list(vec![])])]),
        ),
        ("4a51", dict(vec![])),
        (
            "4a4e000000016146000000015051",
            dict(vec![("a".into(), int(1))]),
        ),
        (
            "4a46000000014e0000000178504600000001460000000240000000024b0000000146000000004600000003505051",
            dict(vec![
                (int(1), "x".into()),
                (tuple(vec![int(1), int(2)]), list(vec![int(3)])),
            ]),
        ),
        ("4f0000000051", Value::Set(vec![])),
        ("4e00000001614f0000000151", Value::Set(vec!["a".into()])),
        ("450000000051", Value::FrozenSet(vec![])),
        (
            "4e0000000162450000000151",
            Value::FrozenSet(vec!["b".into()]),
        ),
        (
            "543ff0000000000000400000000000000051",
            Value::Complex(1.0, 2.0),
        ),
        (
            "40000000004000000001400000000151",
            tuple(vec![tuple(vec![tuple(vec![])])]),
        ),
        (
            "4b0000000146000000004a4e00000001614b000000014600000000400000000050505051",
            list(vec![dict(vec![("a".into(), list(vec![tuple(vec![])]))])]),
        ),
    ]
}

/// The commit that made a user, and the one that removed a release, of a live server.
const USER_MADE: &str = "4a4e000000072e636f6e6669674e00000008555345524c49535446000000004e00000004726f6f744e\
00000003626f624f000000024000000003504e0000000b626f622f2e636f6e6669674e000000045553455246ffffffff4a4e0000000\
5656d61696c4e0000000a626f6240782e74657374504e000000057469746c654e0000000442c3b662504e00000007696e6465786573\
4a504000000003504b00000000400000000251";
const RELEASE_REMOVED: &str = "4a4e00000013626f622f6465762f64656c2f2e73696d706c654e0000000f50524f4a53494d504c454c\
494e4b5346000000104c4000000003504b0000000146000000004e0000003c2b66696c65732f626f622f6465762f2b662f3132352f383\
837396437663935376661362f64656c2d312e302d7079332d6e6f6e652d616e792e77686c50400000000251";

#[test]
fn what_devpi_wrote_is_read_and_written_again() {
    for (hexadecimal, value) in written() {
        let bytes = bytes(hexadecimal);
        assert_eq!(decode(&bytes, Limits::default()).unwrap(), value);
        assert_eq!(encode(&value), bytes, "{value:?}");
    }
}

#[test]
fn what_python_2_wrote_is_read() {
    for (hexadecimal, value) in [
        ("5300000001615e", None),
        ("53000000016151", Some("a".into())),
        ("4d000000016151", Some("a".into())),
        ("4d00000001e451", Some(Value::Bytes(vec![0xe4]))),
        ("470000000251", Some(int(2))),
        ("4900000002313251", Some(int(12))),
        ("49000000022d3951", Some(int(-9))),
    ] {
        assert_eq!(decode(&bytes(hexadecimal), Limits::default()).ok(), value);
    }
}

#[test]
fn entries_of_a_live_server_are_read() {
    let bytes_of_entry = bytes(USER_MADE);
    let entry = Entry::decode(&bytes_of_entry, Limits::default()).unwrap();
    assert_eq!(entry.changes.len(), 2);
    let [list, user] = &entry.changes[..] else {
        unreachable!("two were counted");
    };
    assert_eq!((list.key.as_str(), list.previous), (".config", 0));
    let names: Vec<&str> = list.value.as_ref().unwrap().texts().collect();
    assert_eq!(names, ["root", "bob"]);
    assert_eq!((user.name.as_str(), user.previous), ("USER", -1));
    let record = user.value.as_ref().unwrap();
    assert_eq!(record.text("title"), Some("Böb"));
    assert_eq!(encode(&entry.to_value()), bytes_of_entry);

    let bytes_of_entry = bytes(RELEASE_REMOVED);
    let entry = Entry::decode(&bytes_of_entry, Limits::default()).unwrap();
    assert_eq!(entry.changes[0].value, None);
    assert_eq!(entry.changes[0].previous, 16);
    assert_eq!(
        entry.files,
        ["+files/bob/dev/+f/125/8879d7f957fa6/del-1.0-py3-none-any.whl"]
    );
    assert_eq!(encode(&entry.to_value()), bytes_of_entry);
}

#[test]
fn values_that_are_no_entries_are_refused() {
    let change = |value: Value| tuple(vec![dict(vec![("k".into(), value)]), list(vec![])]);
    for value in [
        Value::None,
        tuple(vec![dict(vec![])]),
        tuple(vec![list(vec![]), list(vec![])]),
        tuple(vec![dict(vec![]), Value::None]),
        tuple(vec![dict(vec![]), list(vec![int(1)])]),
        change(Value::None),
        change(tuple(vec!["USER".into(), int(1)])),
        change(tuple(vec!["USER".into(), "1".into(), Value::None])),
        change(tuple(vec![int(1), int(1), Value::None])),
    ] {
        let answer = Entry::decode(&encode(&value), Limits::default());
        assert_eq!(answer, Err(EntryError::Form), "{value:?}");
    }
}

#[test]
fn malformed_bytes_are_told() {
    use DecodeError::{Malformed, TrailingBytes, Truncated, UnknownOperation};
    let unknown = |operation, position| UnknownOperation {
        operation,
        position,
    };
    for (input, expected) in [
        (&b""[..], Truncated),
        (b"L", Truncated),
        (b"F\0\0\0", Truncated),
        (b"N\0\0\0\x05abQ", Truncated),
        (b"N\x7f\xff\xff\xffQ", Truncated),
        (b"N\xff\xff\xff\xffQ", Malformed { position: 0 }),
        (b"N\0\0\0\x01\xffQ", Malformed { position: 0 }),
        (b"Q", Malformed { position: 0 }),
        (b"LLQ", Malformed { position: 2 }),
        (b"LQL", TrailingBytes { position: 2 }),
        (b"B", unknown(b'B', 0)),
        (b"L\xff", unknown(0xff, 1)),
        (b"@\0\0\0\x01Q", Malformed { position: 0 }),
        (b"@\xff\xff\xff\xffQ", Malformed { position: 0 }),
        (b"O\x7f\xff\xff\xffQ", Malformed { position: 0 }),
        (b"K\xff\xff\xff\xffQ", Malformed { position: 0 }),
        (b"K\x7f\xff\xff\xffQ", Malformed { position: 0 }),
        (b"P", Malformed { position: 0 }),
        (b"LP", Malformed { position: 1 }),
        (b"LLP", Malformed { position: 2 }),
        (b"LLLPQ", Malformed { position: 3 }),
        (b"K\0\0\0\x01LLPQ", Malformed { position: 7 }),
        (b"K\0\0\0\x01F\0\0\0\x01LPQ", Malformed { position: 11 }),
        (
            b"K\0\0\0\x01F\xff\xff\xff\xffLPQ",
            Malformed { position: 11 },
        ),
        (b"H\0\0\0\0Q", Malformed { position: 0 }),
        (b"H\0\0\0\x01-Q", Malformed { position: 0 }),
        (b"H\0\0\0\x02+1Q", Malformed { position: 0 }),
    ] {
        let answer = decode(input, Limits::default());
        assert_eq!(answer, Err(expected), "{}", input.escape_ascii());
    }
}

#[test]
fn limits_hold() {
    let limits = Limits {
        bytes: 100,
        values: 10,
        depth: 3,
    };
    let check = |value: &Value| decode(&encode(value), limits).map(drop);
    assert_eq!(check(&Value::Text("x".repeat(94))), Ok(()));
    assert_eq!(
        check(&Value::Text("x".repeat(95))),
        Err(DecodeError::TooLarge)
    );
    assert_eq!(check(&tuple(vec![Value::None; 9])), Ok(()));
    assert_eq!(
        check(&tuple(vec![Value::None; 10])),
        Err(DecodeError::TooLarge)
    );
    let nest = |wrap: fn(Value) -> Value, depth| (0..depth).fold(Value::None, |v, _| wrap(v));
    for wrap in [
        (|value| tuple(vec![value])) as fn(Value) -> Value,
        |value| list(vec![value]),
        |value| dict(vec![(Value::None, value)]),
        |value| dict(vec![(value, Value::None)]),
        |value| Value::FrozenSet(vec![value]),
    ] {
        assert_eq!(check(&nest(wrap, 3)), Ok(()));
        assert_eq!(check(&nest(wrap, 4)), Err(DecodeError::TooLarge));
    }
}

#[test]
fn lists_of_nothing_cost_what_the_input_has() {
    // Each of these lists could be as long as the input, were they not counted together.
    let mut input = Vec::new();
    for _ in 0..1000 {
        input.extend(b"K\0\0\x0f\xff");
    }
    assert!(matches!(
        decode(&input, Limits::default()),
        Err(DecodeError::Malformed { position: 5 })
    ));
}

/// Every prefix, and every change of one byte, of real entries: an answer, no panic.
#[test]
fn damaged_entries_are_answered() {
    for whole in [USER_MADE, RELEASE_REMOVED].map(bytes) {
        for end in 0..whole.len() {
            assert_eq!(
                decode(&whole[..end], Limits::default()),
                Err(DecodeError::Truncated)
            );
        }
        for place in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff].into_iter().chain(b'@'..=b'U') {
                let mut damaged = whole.clone();
                damaged[place] = byte;
                if let Ok(value) = decode(&damaged, Limits::default()) {
                    // Whatever was understood can be walked and written.
                    value.to_json();
                    let again = decode(&encode(&value), Limits::default()).unwrap();
                    assert_eq!(again.to_json(), value.to_json());
                }
            }
        }
    }
}

#[test]
fn a_stream_is_cut_into_values_wherever_it_breaks() {
    let values: Vec<Vec<u8>> = written()
        .iter()
        .map(|(hexadecimal, _)| bytes(hexadecimal))
        .chain([bytes(USER_MADE)])
        .collect();
    let stream = values.concat();
    for step in [1, 2, 3, 7, 64, stream.len()] {
        let mut reader = FrameReader::new(1024);
        let mut found = Vec::new();
        for chunk in stream.chunks(step) {
            reader.push(chunk);
            while let Some(frame) = reader.next_frame().unwrap() {
                found.push(frame.to_vec());
            }
        }
        assert!(reader.is_empty());
        assert_eq!(found, values, "in steps of {step}");
    }
}

#[test]
fn a_stream_without_end_is_given_up() {
    let mut reader = FrameReader::new(1024);
    reader.push(b"N\0\x01\0\0x");
    assert_eq!(reader.next_frame(), Err(DecodeError::TooLarge));

    let mut reader = FrameReader::new(1024);
    reader.push(&[b'L'; 1024]);
    assert_eq!(reader.next_frame(), Ok(None));
    reader.push(b"L");
    assert_eq!(reader.next_frame(), Err(DecodeError::TooLarge));

    let mut reader = FrameReader::new(1024);
    reader.push(b"L?");
    assert!(reader.next_frame().is_err());
}
