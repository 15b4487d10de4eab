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

/// Katakana in half width; a voiced one becomes two characters.
pub(crate) fn half_width(c: char) -> String {
    const FULL: &str = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン";
    const VOICED: &str = "ガギグゲゴザジズゼゾダヂヅデドバビブベボヴ";
    const UNVOICED: &str = "カキクケコサシスセソタチツテトハヒフヘホウ";
    const HALF_VOICED: &str = "パピプペポ";
    let plain = |c: char| FULL.chars().position(|f| f == c).and_then(|at| char::from_u32(0xFF61 + at as u32));
    let marked = |marked: &str, base: &str, mark: char| {
        let at = marked.chars().position(|f| f == c)?;
        Some(format!("{}{mark}", plain(base.chars().nth(at)?)?))
    };
    plain(c)
        .map(String::from)
        .or_else(|| marked(VOICED, UNVOICED, 'ﾞ'))
        .or_else(|| marked(HALF_VOICED, "ハヒフヘホ", 'ﾟ'))
        .unwrap_or_else(|| c.to_string())
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
}
