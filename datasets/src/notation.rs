//! Ways of writing the same thing: width, small and large kana, scripts.

/// ASCII in full width; a space becomes the wide one.
pub(crate) fn full_width(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ' ' => '　',
            c if c.is_ascii_graphic() => char::from_u32(c as u32 + 0xFEE0).unwrap_or(c),
            c => c,
        })
        .collect()
}

/// Does something to a text as if its ASCII were in half width, in which mistakes are known, and writes it as it was. A text
/// in both widths stays as it is for the deed.
pub(crate) fn as_ascii(text: &str, deed: impl FnOnce(&str) -> String) -> String {
    let narrow = |c| match c {
        '　' => ' ',
        '！'..='～' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        c => c,
    };
    let ascii: String = text.chars().map(narrow).collect();
    if ascii != text && full_width(&ascii) == text { full_width(&deed(&ascii)) } else { deed(text) }
}

/// A small kana as a large one.
pub(crate) fn large(c: char) -> char {
    match c {
        'ァ' => 'ア',
        'ィ' => 'イ',
        'ゥ' => 'ウ',
        'ェ' => 'エ',
        'ォ' => 'オ',
        'ャ' => 'ヤ',
        'ュ' => 'ユ',
        'ョ' => 'ヨ',
        'ッ' => 'ツ',
        other => other,
    }
}

/// Katakana as hiragana.
pub(crate) fn hiragana(c: char) -> char {
    match c {
        'ァ'..='ヶ' => char::from_u32(c as u32 - 0x60).unwrap_or(c),
        other => other,
    }
}

/// What half width has, in the order of its characters.
const FULL: &str = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン";
/// By mark: kana with it, and those without.
const MARKED: [(char, &str, &str); 2] = [
    ('ﾞ', "ガギグゲゴザジズゼゾダヂヅデドバビブベボヴ", "カキクケコサシスセソタチツテトハヒフヘホウ"),
    ('ﾟ', "パピプペポ", "ハヒフヘホ"),
];

/// Katakana in half width; a voiced one becomes two characters.
pub(crate) fn half_width(c: char) -> String {
    let plain = |c: char| FULL.chars().position(|f| f == c).and_then(|at| char::from_u32(0xFF61 + at as u32));
    let marked = |(mark, marked, base): &(char, &str, &str)| {
        let at = marked.chars().position(|f| f == c)?;
        Some(format!("{}{mark}", plain(base.chars().nth(at)?)?))
    };
    plain(c).map(String::from).or_else(|| MARKED.iter().find_map(marked)).unwrap_or_else(|| c.to_string())
}

/// Does something to a reading as if it were written in full-width katakana, and writes it as it was: in half width, or in
/// hiragana. A reading in several ways at once stays as it is for the deed.
pub(crate) fn as_katakana(text: &str, deed: impl FnOnce(&str) -> String) -> String {
    let katakana = katakana(text);
    let written = |kana: &str, way: fn(char) -> String| kana.chars().map(way).collect::<String>();
    let ways: [fn(char) -> String; 2] = [half_width, |c| hiragana(c).to_string()];
    match ways.into_iter().find(|way| katakana != text && written(&katakana, *way) == text) {
        Some(way) => written(&deed(&katakana), way),
        None => deed(text),
    }
}

fn katakana(text: &str) -> String {
    let mut katakana = String::new();
    for c in text.chars() {
        let marked = MARKED.iter().find(|(mark, ..)| *mark == c).and_then(|(_, marked, base)| {
            let at = base.chars().position(|plain| katakana.ends_with(plain))?;
            marked.chars().nth(at)
        });
        let plain = match c {
            'ぁ'..='ゖ' => char::from_u32(c as u32 + 0x60),
            '｡'..='ﾝ' => FULL.chars().nth(c as usize - '｡' as usize),
            _ => None,
        };
        if marked.is_some() {
            katakana.pop();
        }
        katakana.push(marked.or(plain).unwrap_or(c));
    }
    katakana
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_written_in_every_way() {
        let each = |f: fn(char) -> char| "ショウジ パッド".chars().map(f).collect::<String>();
        assert_eq!(each(large), "シヨウジ パツド");
        assert_eq!(each(hiragana), "しょうじ ぱっど");
        assert_eq!("ショウジ パッド".chars().map(half_width).collect::<String>(), "ｼｮｳｼﾞ ﾊﾟｯﾄﾞ");
        assert_eq!(full_width("国1-2 A"), "国１－２　Ａ");
    }

    #[test]
    fn a_reading_is_written_as_it_was() {
        for text in ["ショウジ パッド", "ｼｮｳｼﾞ ﾊﾟｯﾄﾞ", "しょうじ ぱっど", "ﾞア", "Lee"]
        {
            assert_eq!(as_katakana(text, str::to_owned), text);
            assert_eq!(
                as_katakana(text, |kana| kana.replace("ショ", "ジ")),
                text.replace("ショ", "ジ").replace("ｼｮ", "ｼﾞ").replace("しょ", "じ")
            );
        }
        assert_eq!(as_ascii("昭和４５年　Ａ", |text| text.replace("45年 A", "46年 B")), "昭和４６年　Ｂ");
        assert_eq!(as_ascii("4５", |text| text.replace('4', "3")), "3５");
        // In two ways at once: what is there is all that can be said.
        assert_eq!(as_katakana("ショｳ", |kana| kana.replace("ショ", "ジ")), "ジｳ");
    }
}
