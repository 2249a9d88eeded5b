//! The patterns of `formatDateTime`:
//! <https://clickhouse.com/docs/en/sql-reference/functions/date-time-functions#formatdatetime>.

use jiff::Zoned;
use jiff::fmt::strtime;

/// What is behind `%` there, and the same for `strftime`.
const SPECIFIERS: &[(char, &str)] = &[
    ('%', "%%"),
    ('a', "%a"),
    ('b', "%b"),
    ('C', "%C"),
    ('c', "%m"),
    ('D', "%m/%d/%y"),
    ('d', "%d"),
    ('e', "%e"),
    ('F', "%Y-%m-%d"),
    ('G', "%G"),
    ('g', "%g"),
    ('H', "%H"),
    ('h', "%I"),
    ('I', "%I"),
    ('i', "%M"),
    ('j', "%j"),
    ('k', "%k"),
    ('l', "%l"),
    ('M', "%B"),
    ('m', "%m"),
    ('n', "\n"),
    ('p', "%p"),
    ('R', "%H:%M"),
    ('r', "%I:%M %p"),
    ('S', "%S"),
    ('s', "%S"),
    ('T', "%H:%M:%S"),
    ('t', "\t"),
    ('u', "%u"),
    ('V', "%V"),
    ('W', "%A"),
    ('w', "%w"),
    ('Y', "%Y"),
    ('y', "%y"),
    ('z', "%z"),
];

/// Fails when a pattern has what [`format()`] does not know.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    pieces(pattern, |_| ()).map(|_| ())
}

/// Shows a time as a pattern says, which [`check`] has approved.
pub(super) fn format(time: &Zoned, pattern: &str) -> String {
    let show = |specifier: char| match specifier {
        'Q' => ((time.month() - 1) / 3 + 1).to_string(),
        'f' => format!("{:06}", time.subsec_nanosecond() / 1_000),
        specifier => {
            let known = SPECIFIERS.iter().find(|(other, _)| *other == specifier);
            let same = known.map_or("", |(_, same)| same);
            strtime::format(same, time).unwrap_or_default()
        }
    };
    let mut text = String::new();
    for piece in pieces(pattern, show).unwrap_or_default() {
        match piece {
            Piece::Text(character) => text.push(character),
            Piece::Shown(shown) => text.push_str(&shown),
        }
    }
    text
}

enum Piece<T> {
    Text(char),
    Shown(T),
}

fn pieces<T>(pattern: &str, show: impl Fn(char) -> T) -> Result<Vec<Piece<T>>, String> {
    let mut pieces = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            pieces.push(Piece::Text(character));
            continue;
        }
        let specifier = characters.next().ok_or("has a format that ends with %")?;
        let is_known = |known: char| known == specifier;
        if !SPECIFIERS.iter().any(|(known, _)| is_known(*known)) && !"Qf".contains(specifier) {
            return Err(format!(
                "does not know %{specifier}; %% stands for a percent sign"
            ));
        }
        pieces.push(Piece::Shown(show(specifier)));
    }
    Ok(pieces)
}
