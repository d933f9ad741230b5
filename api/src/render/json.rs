//! JSON text exactly as Go's encoder writes it (contract 1.5): escapes, floats, no spaces.

/// Appends JSON values. The caller writes the punctuation between them: every shape we render is known beforehand.
pub(crate) struct JsonWriter {
    out: Vec<u8>,
}

impl JsonWriter {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub(crate) fn into_text(self) -> String {
        String::from_utf8(self.out).expect("only text is written")
    }

    /// Text that is JSON already.
    pub(crate) fn raw(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    pub(crate) fn integer(&mut self, value: impl itoa::Integer) {
        self.raw(itoa::Buffer::new().format(value));
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.out.push(b'"');
        let mut plain_from = 0;
        for (at, character) in text.char_indices() {
            if !needs_escape(character) {
                continue;
            }
            self.raw(&text[plain_from..at]);
            plain_from = at + character.len_utf8();
            self.escape(character);
        }
        self.raw(&text[plain_from..]);
        self.out.push(b'"');
    }

    fn escape(&mut self, character: char) {
        match character {
            '"' => self.raw("\\\""),
            '\\' => self.raw("\\\\"),
            '\n' => self.raw("\\n"),
            '\r' => self.raw("\\r"),
            '\t' => self.raw("\\t"),
            '\u{8}' => self.raw("\\b"),
            '\u{c}' => self.raw("\\f"),
            other => self.raw(&format!("\\u{:04x}", u32::from(other))),
        }
    }

    /// A list of strings, `null` when empty: on v0's wire none and empty are the same.
    pub(crate) fn strings_or_null(&mut self, texts: &[String]) {
        self.list_or_null(texts, |json, text| json.string(text));
    }

    pub(crate) fn list_or_null<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) {
        if items.is_empty() {
            self.raw("null");
        } else {
            self.list(items, write);
        }
    }

    pub(crate) fn list<T>(&mut self, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Self, T)) {
        self.out.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write(self, item);
        }
        self.out.push(b']');
    }

    /// The shortest digits that read back, as plain decimal for 1e-6 ≤ |x| < 1e21, never with a trailing `.0`. The
    /// engine only has finite numbers. Any other is written as 0, so that the answer stays valid.
    pub(crate) fn float(&mut self, value: f64) {
        if !value.is_finite() {
            self.raw("0");
            return;
        }
        if value.is_sign_negative() {
            self.out.push(b'-');
        }
        let magnitude = value.abs();
        if magnitude == 0.0 {
            self.out.push(b'0');
            return;
        }
        let mut buffer = ryu::Buffer::new();
        let (digits, point) = digits_and_point(buffer.format_finite(magnitude));
        let digits = digits.as_slice();
        if !(1e-6..1e21).contains(&magnitude) {
            self.out.push(digits[0]);
            if digits.len() > 1 {
                self.out.push(b'.');
                self.out.extend_from_slice(&digits[1..]);
            }
            self.out.push(b'e');
            if point > 0 {
                self.out.push(b'+');
            }
            self.integer(point - 1);
        } else if point <= 0 {
            self.raw("0.");
            self.zeros(point.unsigned_abs() as usize);
            self.out.extend_from_slice(digits);
        } else {
            let whole = point.unsigned_abs() as usize;
            if whole >= digits.len() {
                self.out.extend_from_slice(digits);
                self.zeros(whole - digits.len());
            } else {
                self.out.extend_from_slice(&digits[..whole]);
                self.out.push(b'.');
                self.out.extend_from_slice(&digits[whole..]);
            }
        }
    }

    fn zeros(&mut self, count: usize) {
        self.out.resize(self.out.len() + count, b'0');
    }
}

fn needs_escape(character: char) -> bool {
    matches!(character, '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}')
}

/// Significant digits, and the place of the decimal point, counted from the first of them: `0.00123` is `123` and -2.
struct Digits {
    bytes: [u8; 24],
    length: usize,
}

impl Digits {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

fn digits_and_point(text: &str) -> (Digits, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = Digits { bytes: [0; 24], length: 0 };
    let mut leading_zeros = 0i32;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if digits.length == 0 && byte == b'0' {
            leading_zeros += 1;
        } else {
            digits.bytes[digits.length] = byte;
            digits.length += 1;
        }
    }
    while digits.length > 1 && digits.bytes[digits.length - 1] == b'0' {
        digits.length -= 1;
    }
    let whole = i32::try_from(whole.len()).unwrap_or(i32::MAX);
    (digits, whole - leading_zeros + exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn float(value: f64) -> String {
        let mut json = JsonWriter::with_capacity(32);
        json.float(value);
        String::from_utf8(json.into_bytes()).expect("ASCII")
    }

    fn string(text: &str) -> String {
        let mut json = JsonWriter::with_capacity(32);
        json.string(text);
        String::from_utf8(json.into_bytes()).expect("UTF-8")
    }

    #[test]
    fn floats_print_as_go_prints_them() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (100.0, "100"),
            (33.5, "33.5"),
            (17.330210772540017, "17.330210772540017"),
            (5.23486328125, "5.23486328125"),
            (1e-6, "0.000001"),
            (1.5e-6, "0.0000015"),
            (9.9e-7, "9.9e-7"),
            (1e-7, "1e-7"),
            (1e20, "100000000000000000000"),
            (1.25e20, "125000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (-1.5e-300, "-1.5e-300"),
            (0.1, "0.1"),
            (123456.789, "123456.789"),
            (1e16, "10000000000000000"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
        ] {
            assert_eq!(float(value), expected);
        }
    }

    #[test]
    fn strings_escape_as_go_escapes_them() {
        assert_eq!(string("S<3>&\"é"), "\"S\\u003c3\\u003e\\u0026\\\"é\"");
        assert_eq!(string("\n\r\t\u{8}\u{c}\u{1}\u{7f}/\\"), "\"\\n\\r\\t\\b\\f\\u0001\u{7f}/\\\\\"");
        assert_eq!(string("\u{2028}\u{2029}"), "\"\\u2028\\u2029\"");
    }

    proptest! {
        #[test]
        fn floats_read_back_bit_for_bit(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let back: f64 = float(value).parse().expect("a number");
            prop_assert_eq!(back.to_bits(), bits);
        }

        #[test]
        fn strings_read_back(text in ".*") {
            let back: String = serde_json::from_str(&string(&text)).expect("JSON");
            prop_assert_eq!(back, text);
        }
    }
}
