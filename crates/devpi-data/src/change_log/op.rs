//! The byte code's operations: one ASCII letter each, integers 4 bytes big-endian signed.

pub(super) const BUILD_TUPLE: u8 = b'@';
pub(super) const BYTES: u8 = b'A';
pub(super) const FALSE: u8 = b'C';
pub(super) const FLOAT: u8 = b'D';
pub(super) const FROZEN_SET: u8 = b'E';
pub(super) const INTEGER: u8 = b'F';
/// What Python 2 wrote for its other type of integers.
pub(super) const LONG: u8 = b'G';
pub(super) const BIG_INTEGER: u8 = b'H';
/// As [`BIG_INTEGER`], from Python 2.
pub(super) const BIG_LONG: u8 = b'I';
pub(super) const NEW_DICT: u8 = b'J';
pub(super) const NEW_LIST: u8 = b'K';
pub(super) const NONE: u8 = b'L';
/// A text without encoding.
pub(super) const PYTHON_2_TEXT: u8 = b'M';
pub(super) const TEXT: u8 = b'N';
pub(super) const SET: u8 = b'O';
pub(super) const SET_ITEM: u8 = b'P';
pub(super) const STOP: u8 = b'Q';
pub(super) const TRUE: u8 = b'R';
/// As [`TEXT`], from Python 2.
pub(super) const UNICODE: u8 = b'S';
pub(super) const COMPLEX: u8 = b'T';

/// What stands behind an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    /// Nothing.
    None,
    /// This many bytes.
    Fixed(usize),
    /// A length in 4 bytes and as many bytes as it says.
    Counted,
}

/// What stands behind the operation; `None` for a byte that is no operation.
pub(super) fn operand(operation: u8) -> Option<Operand> {
    Some(match operation {
        FALSE | NONE | TRUE | NEW_DICT | SET_ITEM | STOP => Operand::None,
        BUILD_TUPLE | FROZEN_SET | SET | INTEGER | LONG | NEW_LIST => Operand::Fixed(4),
        FLOAT => Operand::Fixed(8),
        COMPLEX => Operand::Fixed(16),
        BYTES | BIG_INTEGER | BIG_LONG | PYTHON_2_TEXT | TEXT | UNICODE => Operand::Counted,
        _ => return None,
    })
}
