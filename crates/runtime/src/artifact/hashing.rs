//! Digests of what passes by.

use std::io::{self, Read, Write};

use leadsman_core::id::Digest;
use sha2::{Digest as _, Sha256};

/// Passes on what is read or written, and remembers its digest.
#[derive(Debug)]
pub struct Hashing<T> {
    inner: T,
    hasher: Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    /// Returns what passes on to or from `inner`.
    pub fn new(inner: T) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            bytes: 0,
        }
    }

    /// Returns how many bytes passed by.
    pub fn count(&self) -> u64 {
        self.bytes
    }

    /// Returns what the bytes come from or go to.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Returns what the bytes came from or went to, with the digest of all that passed by.
    pub fn finish(self) -> (T, Digest) {
        (
            self.inner,
            Digest::from_bytes(self.hasher.finalize().into()),
        )
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.passed(&buffer[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.passed(&buffer[..count]);
        Ok(count)
    }
}
