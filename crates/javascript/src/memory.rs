//! The linear memory of a program, whose addresses are not trusted.

/// An error number of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) u16);

impl Errno {
    pub(crate) const BADF: Self = Self(8);
    pub(crate) const FAULT: Self = Self(21);
    pub(crate) const FBIG: Self = Self(22);
    pub(crate) const INVAL: Self = Self(28);
    pub(crate) const ISDIR: Self = Self(31);
    pub(crate) const NOENT: Self = Self(44);
    pub(crate) const NOTDIR: Self = Self(54);
    pub(crate) const NOTSUP: Self = Self(58);
}

/// The linear memory.
pub(crate) struct Memory<'a>(pub(crate) &'a mut [u8]);

impl Memory<'_> {
    /// Returns a range of bytes.
    pub(crate) fn bytes(&mut self, at: u32, length: u32) -> Result<&mut [u8], Errno> {
        let start = at as usize;
        let end = start.checked_add(length as usize).ok_or(Errno::FAULT)?;
        self.0.get_mut(start..end).ok_or(Errno::FAULT)
    }

    pub(crate) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::FAULT)?;
        self.bytes(at, length)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn put_u32(&mut self, at: u32, value: u32) -> Result<(), Errno> {
        self.write(at, &value.to_le_bytes())
    }

    pub(crate) fn put_u64(&mut self, at: u32, value: u64) -> Result<(), Errno> {
        self.write(at, &value.to_le_bytes())
    }

    pub(crate) fn text(&mut self, at: u32, length: u32) -> Result<String, Errno> {
        let bytes = self.bytes(at, length)?.to_vec();
        String::from_utf8(bytes).map_err(|_| Errno::NOENT)
    }

    /// Returns the pieces of a scattered buffer, as addresses and lengths.
    pub(crate) fn pieces(&mut self, at: u32, count: u32) -> Result<Vec<(u32, u32)>, Errno> {
        let bytes = self.bytes(at, count.checked_mul(8).ok_or(Errno::FAULT)?)?;
        let numbers = bytes.chunks_exact(4);
        let numbers: Vec<u32> = numbers
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        Ok(numbers
            .chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .collect())
    }
}
