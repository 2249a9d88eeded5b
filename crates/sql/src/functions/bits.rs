//! Functions of bits.
//!
//! The last argument is the width of the result, below 0 if it has a sign.

use super::{Arguments, scalar};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

pub(super) fn register(connection: &Connection) -> Result<()> {
    scalar(connection, "bit_and", 3, |a| {
        two(a, |left, right, _| left & right)
    })?;
    scalar(connection, "bit_or", 3, |a| {
        two(a, |left, right, _| left | right)
    })?;
    scalar(connection, "bit_xor", 3, |a| {
        two(a, |left, right, _| left ^ right)
    })?;
    scalar(connection, "bit_not", 2, |a| {
        let width = Width(a.integer(1)?);
        Ok(width.extend(!bits(a, 0, width)))
    })?;
    scalar(connection, "bit_shift_left", 3, |a| {
        two(a, |value, by, _| shift(value, by, u64::checked_shl))
    })?;
    scalar(connection, "bit_shift_right", 3, |a| {
        two(a, |value, by, _| shift(value, by, u64::checked_shr))
    })?;
    scalar(connection, "bit_rotate_left", 3, |a| two(a, rotated_left))?;
    scalar(connection, "bit_rotate_right", 3, |a| {
        two(a, |value, by, width| {
            let bits = u64::from(width);
            rotated_left(value, bits - by % bits, width)
        })
    })?;
    scalar(connection, "bit_test", 2, |a| {
        let (value, place) = (a.integer(0)?, a.integer(1)?);
        let is_there = |place| (value >> place) & 1 == 1;
        Ok(u32::try_from(place).is_ok_and(|place| place < 64 && is_there(place)))
    })?;
    scalar(connection, "bit_count", 2, |a| {
        Ok(bits(a, 0, Width(a.integer(1)?)).count_ones())
    })?;
    scalar(connection, "bit_distance", 3, |a| {
        let width = Width(a.integer(2)?);
        Ok((bits(a, 0, width) ^ bits(a, 1, width)).count_ones())
    })
}

/// So many bits, below 0 if the highest is the sign.
#[derive(Clone, Copy)]
struct Width(i64);

impl Width {
    fn bits(self) -> u32 {
        self.0.unsigned_abs().clamp(1, 64) as u32
    }

    fn cut(self, value: u64) -> u64 {
        value & (u64::MAX >> (64 - self.bits()))
    }

    /// The integer that has these lowest bits.
    fn extend(self, value: u64) -> i64 {
        let unused = 64 - self.bits();
        let high = self.cut(value) << unused;
        match self.0 {
            ..0 => high.cast_signed() >> unused,
            _ => (high >> unused).cast_signed(),
        }
    }
}

/// The bits of a number: those in memory of a float.
fn bits(arguments: &Arguments<'_>, index: usize, width: Width) -> u64 {
    width.cut(match arguments.0[index] {
        ValueRef::Real(value) => value.to_bits(),
        ValueRef::Integer(value) => value.cast_unsigned(),
        _ => 0,
    })
}

fn two(arguments: &Arguments<'_>, function: fn(u64, u64, u32) -> u64) -> Result<i64, String> {
    let width = Width(arguments.integer(2)?);
    let right = Width(64).cut(arguments.integer(1)?.cast_unsigned());
    Ok(width.extend(function(bits(arguments, 0, width), right, width.bits())))
}

fn shift(value: u64, by: u64, shift: fn(u64, u32) -> Option<u64>) -> u64 {
    u32::try_from(by)
        .ok()
        .and_then(|by| shift(value, by))
        .unwrap_or(0)
}

fn rotated_left(value: u64, by: u64, width: u32) -> u64 {
    let by = (by % u64::from(width)) as u32;
    let right = value.checked_shr(width - by).unwrap_or(0);
    value.checked_shl(by).unwrap_or(0) | right
}
