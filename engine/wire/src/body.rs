//! bincode's primitives with our limits and errors: the one file that touches the library.
//!
//! Frames are written value by value in bincode 2's standard configuration (little endian, varint, zigzag). They are
//! not derived: this way every length is checked against its own limit before memory is allocated, and each fault has
//! its own error.

use bincode::config::{Configuration, standard};
use bincode::de::read::{Reader, SliceReader};
use bincode::de::{Decode, Decoder, DecoderImpl};
use bincode::enc::write::Writer;
use bincode::enc::{Encode, EncoderImpl};
use bincode::error::{DecodeError, EncodeError};

use crate::error::WireError;

pub(crate) struct BodyReader<'a> {
    decoder: DecoderImpl<SliceReader<'a>, Configuration, ()>,
}

impl<'a> BodyReader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { decoder: DecoderImpl::new(SliceReader::new(body), standard(), ()) }
    }

    fn value<T: Decode<()>>(&mut self, what: &'static str) -> Result<T, WireError> {
        T::decode(&mut self.decoder).map_err(|error| match error {
            DecodeError::UnexpectedEnd { .. } => WireError::Truncated { what },
            _ => WireError::Malformed { what },
        })
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, WireError> {
        self.value(what)
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, WireError> {
        self.value(what)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, WireError> {
        self.value(what)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, WireError> {
        self.value(what)
    }

    pub(crate) fn u128(&mut self, what: &'static str) -> Result<u128, WireError> {
        self.value(what)
    }

    pub(crate) fn i64(&mut self, what: &'static str) -> Result<i64, WireError> {
        self.value(what)
    }

    pub(crate) fn bool(&mut self, what: &'static str) -> Result<bool, WireError> {
        self.value(what)
    }

    pub(crate) fn finite(&mut self, what: &'static str) -> Result<f64, WireError> {
        let number: f64 = self.value(what)?;
        if number.is_finite() { Ok(number) } else { Err(WireError::NonFinite { what }) }
    }

    /// The length of a list, checked against its limit; the caller then reads that many entries.
    pub(crate) fn length(&mut self, what: &'static str, max: usize) -> Result<usize, WireError> {
        let found = self.u64(what)?;
        match usize::try_from(found) {
            Ok(length) if length <= max => Ok(length),
            _ => Err(WireError::TooLong { what, found, max }),
        }
    }

    pub(crate) fn text(&mut self, what: &'static str, max_bytes: usize) -> Result<String, WireError> {
        let length = self.length(what, max_bytes)?;
        let reader = self.decoder.reader();
        let bytes = reader.peek_read(length).ok_or(WireError::Truncated { what })?;
        let text = std::str::from_utf8(bytes).map_err(|_| WireError::NotUtf8 { what })?.to_owned();
        reader.consume(length);
        Ok(text)
    }

    pub(crate) fn texts(
        &mut self,
        what: &'static str,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Vec<String>, WireError> {
        (0..self.length(what, max_entries)?).map(|_| self.text(what, max_bytes)).collect()
    }

    pub(crate) fn finish(mut self) -> Result<(), WireError> {
        match self.decoder.reader().peek_read(1) {
            None => Ok(()),
            Some(_) => Err(WireError::TrailingBytes),
        }
    }
}

struct VecWriter<'a>(&'a mut Vec<u8>);

impl Writer for VecWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

pub(crate) struct BodyWriter<'a> {
    encoder: EncoderImpl<VecWriter<'a>, Configuration>,
}

impl<'a> BodyWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { encoder: EncoderImpl::new(VecWriter(out), standard()) }
    }

    /// Writes a bool or a number of any width.
    pub(crate) fn value<T: Encode>(&mut self, value: T) -> Result<(), WireError> {
        // A Vec takes every byte, and primitives have no other way to fail.
        value.encode(&mut self.encoder).map_err(|_| WireError::Malformed { what: "a value to send" })
    }

    pub(crate) fn length(&mut self, what: &'static str, length: usize, max: usize) -> Result<(), WireError> {
        if length > max {
            return Err(WireError::TooLong { what, found: length as u64, max });
        }
        self.value(length as u64)
    }

    pub(crate) fn finite(&mut self, what: &'static str, number: f64) -> Result<(), WireError> {
        if number.is_finite() { self.value(number) } else { Err(WireError::NonFinite { what }) }
    }

    pub(crate) fn text(&mut self, what: &'static str, text: &str, max_bytes: usize) -> Result<(), WireError> {
        if text.len() > max_bytes {
            return Err(WireError::TooLong { what, found: text.len() as u64, max: max_bytes });
        }
        self.value(text)
    }

    pub(crate) fn texts(
        &mut self,
        what: &'static str,
        texts: &[String],
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<(), WireError> {
        self.length(what, texts.len(), max_entries)?;
        texts.iter().try_for_each(|text| self.text(what, text, max_bytes))
    }
}
