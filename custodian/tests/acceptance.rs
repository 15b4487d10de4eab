//! The first acceptance case (docs: 特定健診 × レセプト, fiscal year 2009): the same made-up people, once in checkups and once
//! in receipts, become the same tokens.
//!
//! In 2009 only 14.9 % linked, because one side had full-width digits, spaces in names and era dates. Here every person
//! is written as each side really writes them, the two extracts go through the program, and the sealed token files are
//! opened and compared row by row.
//!
//! **Equality.** Of a person's values, those are compared that both formats carry: reading of the name, birth date, sex,
//! insurer number, symbol and number. (A checkup has no kanji, a receipt no postal code, and no root of the branch number
//! is known: those fields are mapped to nothing on both sides.) A person's underlying values are equal when the
//! generator gave both sides the same values, before any side wrote them in its own manner. A token is identical when
//! CLK, presence mask and the exact token by insurance and name are, byte for byte.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use arrow::array::AsArray;
use custodian::refs::{RecordId, SiteKey, record_ref};
use linkage_core::encode::Encoder;
use linkage_core::normalise::normalise;
use linkage_core::schema::{FieldKind, LinkageSchema};
use linkage_core::secret::LinkageSecret;
use linkage_core::source::{KenshinLayout, KenshinSource, PersonLayout, RawBatch, Source, UkeLayout, UkeSource};
use linkage_core::token_file::TokenFileReader;

const PEOPLE: usize = 10_000;

/// The fields of person-ja that both formats carry; the reading is taken whole, because checkups do not split it.
const MAP: [&str; 6] =
    ["family_kana=name_kana", "given_kana=", "family_kanji=", "given_kanji=", "postal_code=", "insured_branch="];

const FAMILIES: [(&str, &str); 12] = [
    ("佐藤", "サトウ"),
    ("鈴木", "スズキ"),
    ("髙橋", "タカハシ"),
    ("渡邊", "ワタナベ"),
    ("伊東", "イトウ"),
    ("小野寺", "オノデラ"),
    ("服部", "ハットリ"),
    ("京極", "キョウゴク"),
    ("千田", "チダ"),
    ("ヴァン", "ヴァン"),
    ("五十嵐", "イガラシ"),
    ("大塚", "オオツカ"),
];

const GIVENS: [(&str, &str, &str); 10] = [
    ("花子", "ハナコ", "2"),
    ("翔太", "ショウタ", "1"),
    ("一郎", "イチロウ", "1"),
    ("さくら", "サクラ", "2"),
    ("純一", "ジュンイチ", "1"),
    ("千鶴", "チヅル", "2"),
    ("真理", "マリー", "2"),
    ("慎吾", "シンゴ", "1"),
    ("美津子", "ミツコ", "2"),
    ("弥生", "ヤヨイ", "2"),
];

/// One side's knowledge of a person.
#[derive(Clone, PartialEq)]
struct Person {
    family: (&'static str, &'static str),
    given: (&'static str, &'static str),
    sex: &'static str,
    birth: (u32, u32, u32),
    insurer: &'static str,
    symbol: u32,
    number: u32,
}

/// A generator of numbers that is the same everywhere (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % u64::from(limit)) as u32
    }
}

/// The people as the checkups know them and as the receipts do; three in a hundred really differ.
fn people() -> (Vec<Person>, Vec<Person>) {
    let mut numbers = Numbers(2009);
    let checkups: Vec<Person> = (0..PEOPLE as u32)
        .map(|index| {
            let (kanji, kana, sex) = GIVENS[numbers.below(GIVENS.len() as u32) as usize];
            Person {
                family: FAMILIES[numbers.below(FAMILIES.len() as u32) as usize],
                given: (kanji, kana),
                sex,
                birth: (1927 + numbers.below(80), 1 + numbers.below(12), 1 + numbers.below(28)),
                insurer: ["06132013", "00138057", "39131156", "01130012"][numbers.below(4) as usize],
                symbol: 1 + numbers.below(9999),
                number: 100 + index,
            }
        })
        .collect();
    let receipts = checkups.iter().map(|person| {
        let mut person = person.clone();
        match numbers.below(100) {
            0 => person.symbol += 1,
            1 => person.birth.2 = person.birth.2 % 28 + 1,
            2 => person.family = if person.family == FAMILIES[0] { FAMILIES[1] } else { FAMILIES[0] },
            _ => {}
        }
        person
    });
    let receipts = receipts.collect();
    (checkups, receipts)
}

/// Kana without spaces, half-width digits, western dates.
fn checkup(person: &Person) -> String {
    let (year, month, day) = person.birth;
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3"><code code="10"/><effectiveTime value="20100115"/>
<recordTarget><patientRole>
<id extension="{}" root="1.2.392.200119.6.101"/><id extension="{}" root="1.2.392.200119.6.204"/>
<id extension="{}" root="1.2.392.200119.6.205"/><addr>東京都<postalCode>100-0001</postalCode></addr>
<patient><name>{}{}</name><administrativeGenderCode code="{}" codeSystem="1.2.392.200119.6.1104"/>
<birthTime value="{year:04}{month:02}{day:02}"/></patient></patientRole></recordTarget>
</ClinicalDocument>
"#,
        person.insurer, person.symbol, person.number, person.family.1, person.given.1, person.sex
    )
}

/// Full-width digits, spaces, era dates, six digits of 国保 after two spaces, and at each facility its own habits.
fn receipts(people: &[Person]) -> Vec<u8> {
    let mut text = "IR,1,13,1,1234567,,,42104,00,\r\n".to_owned();
    for (index, person) in people.iter().enumerate() {
        let spaced = format!("{}　{}", person.family.1, person.given.1);
        let whole = spaced.replace('　', "");
        let (name, kana) = match index % 10 {
            // A program that lacks a character writes the reading in the name's column, and the other one stays empty …
            0 => (spaced, String::new()),
            // … or in half-width kana …
            1 => (half_width(&spaced), String::new()),
            // … or in both.
            2 => (spaced, whole),
            // Resident registers write small kana large.
            3 | 4 => (format!("{}　{}", person.family.0, person.given.0), large(&whole)),
            _ => (format!("{}　{}", person.family.0, person.given.0), whole),
        };
        let insurer = match person.insurer.strip_prefix("00") {
            Some(six) => format!("  {six}"),
            None => person.insurer.to_owned(),
        };
        let birth = era(person.birth);
        let between = ",".repeat(23);
        text += &format!("RE,{index},1112,42104,{name},{},{birth},,,,,,,{index}{between}{kana},\r\n", person.sex);
        text += &format!("HO,{insurer},{},{},1,100\r\n", full_width(person.symbol), full_width(person.number));
        text += "SY,1,20091001,1,,,,\r\n";
    }
    text += &format!("GO,{},100,99\r\n", people.len());
    let (cp932, _, lossy) = encoding_rs::SHIFT_JIS.encode(&text);
    assert!(!lossy);
    cp932.into_owned()
}

fn full_width(number: u32) -> String {
    number.to_string().chars().map(|c| char::from_u32(u32::from(c) + 0xFEE0).unwrap()).collect()
}

fn large(kana: &str) -> String {
    let pairs = [('ョ', 'ヨ'), ('ュ', 'ユ'), ('ッ', 'ツ'), ('ァ', 'ア')];
    kana.chars().map(|c| pairs.iter().find(|(small, _)| *small == c).map_or(c, |(_, large)| *large)).collect()
}

fn half_width(kana: &str) -> String {
    const FULL: &str = "アイウオカキクコサシショジスズタダチツヅトデナノハベマミヤヨラリルロワンガゴヴァュョッーテエ　";
    const HALF: &str = "ｱ ｲ ｳ ｵ ｶ ｷ ｸ ｺ ｻ ｼ ｼ ｮ ｼﾞ ｽ ｽﾞ ﾀ ﾀﾞ ﾁ ﾂ ﾂﾞ ﾄ ﾃﾞ ﾅ ﾉ ﾊ ﾍﾞ ﾏ ﾐ ﾔ ﾖ ﾗ ﾘ ﾙ ﾛ ﾜ ﾝ ｶﾞ ｺﾞ ｳﾞ ｧ ｭ ｮ ｯ ｰ ﾃ ｴ";
    // The ideographic space is the last of the full-width ones and becomes a plain one.
    let pairs: HashMap<char, &str> = FULL.chars().zip(HALF.split(' ').chain([" "])).collect();
    kana.chars().map(|c| *pairs.get(&c).unwrap_or_else(|| panic!("{c} has no half-width form here"))).collect()
}

/// GYYMMDD, as receipts had it before 2020-05.
fn era((year, month, day): (u32, u32, u32)) -> String {
    let date = year * 10_000 + month * 100 + day;
    let (code, base) = if date >= 19_890_108 { (4, 1988) } else { (3, 1925) };
    format!("{code}{:02}{month:02}{day:02}", year - base)
}

fn tokenise(folder: &Path, database: &str, options: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_custodian"));
    command.current_dir(folder).stdin(Stdio::null());
    command.args(["tokenise", "--database", database, "--schema", "person-ja", "--secret", "linkage.secret"]);
    command.args(["--to", "unit.pub", "--site-key", "site.key", "-o", database]);
    MAP.iter().for_each(|map| {
        command.args(["--map", map]);
    });
    let output = command.args(options).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// CLK, presence mask and the exact token by insurance and name: without a branch number there is no other.
type Bytes = (Vec<u8>, u16, Option<Vec<u8>>);

fn tokens(folder: &Path, database: &str, unit: &SiteKey) -> HashMap<[u8; 16], Bytes> {
    let file = fs::File::open(folder.join(database)).unwrap();
    let mut reader = TokenFileReader::open(file, unit.identity()).unwrap();
    let mut tokens = HashMap::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        let column = |index: usize| batch.column(index).as_fixed_size_binary();
        let presence = batch.column(2).as_primitive::<arrow::datatypes::UInt16Type>();
        for row in 0..batch.num_rows() {
            let exact = batch.column(4).is_valid(row).then(|| column(4).value(row).to_vec());
            let bytes = (column(1).value(row).to_vec(), presence.value(row), exact);
            tokens.insert(column(0).value(row).try_into().unwrap(), bytes);
        }
    }
    tokens
}

/// The values as the files have them, encoded without normalisation.
fn unnormalised(source: &mut dyn Source, encoder: &Encoder) -> Vec<(linkage_core::clk::Clk, Option<[u8; 16]>)> {
    let (mut batch, mut scratch, mut tokens) = (RawBatch::new(), String::new(), Vec::new());
    while source.read_batch(&mut batch, 1000).unwrap() {
        for record in batch.records() {
            let values: Vec<Option<String>> = (0..11)
                .map(|field| record.encoding().decode(record.field(field), &mut scratch).text.to_owned())
                .map(|value| Some(value).filter(|value| !value.is_empty()))
                .collect();
            let token = encoder.encode(&values);
            tokens.push((token.clk, token.exact[1]));
        }
    }
    tokens
}

#[test]
fn checkups_and_receipts_of_the_same_people_become_the_same_tokens() {
    let (in_checkups, in_receipts) = people();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    LinkageSecret::from_bytes([7; 32]).create_file(&path("linkage.secret")).unwrap();
    let (unit, site) = (SiteKey::generate(), SiteKey::generate());
    fs::write(path("unit.pub"), unit.recipient().to_string()).unwrap();
    site.create_file(&path("site.key")).unwrap();
    fs::create_dir(path("checkups")).unwrap();
    for (index, person) in in_checkups.iter().enumerate() {
        fs::write(path(&format!("checkups/h{index:05}.xml")), checkup(person)).unwrap();
    }
    fs::write(path("receipts.uke"), receipts(&in_receipts)).unwrap();
    tokenise(folder.path(), "kenshin", &["--format", "kenshin", "checkups"]);
    tokenise(folder.path(), "ndb", &["--format", "uke", "receipts.uke"]);

    let (checkup_tokens, receipt_tokens) =
        (tokens(folder.path(), "kenshin", &unit), tokens(folder.path(), "ndb", &unit));
    assert_eq!((checkup_tokens.len(), receipt_tokens.len()), (PEOPLE, PEOPLE));
    let (checkup_refs, receipt_refs) = (site.refs(&"kenshin".parse().unwrap()), site.refs(&"ndb".parse().unwrap()));
    let (mut equal, mut identical, mut different, mut falsely) = (0, 0, 0, 0);
    for (index, (left, right)) in in_checkups.iter().zip(&in_receipts).enumerate() {
        let kana = normalise(FieldKind::Kana, &format!("{}{}", left.family.1, left.given.1)).unwrap().unwrap();
        let (year, month, day) = left.birth;
        let id = format!(
            "::{}:{}:{}::{}:{year:04}{month:02}{day:02}:{kana}",
            left.insurer, left.symbol, left.number, left.sex
        );
        let checkup = &checkup_tokens[&record_ref(&checkup_refs, RecordId::Column(&id)).0];
        let receipt = &receipt_tokens[&record_ref(&receipt_refs, RecordId::Column(&format!("1311234567:{index}"))).0];
        if left == right {
            equal += 1;
            identical += u32::from(checkup == receipt && checkup.2.is_some());
        } else {
            different += 1;
            falsely += u32::from(checkup == receipt);
        }
    }

    let schema = LinkageSchema::shipped("person-ja").unwrap();
    let encoder = Encoder::new(&schema, &LinkageSecret::from_bytes([7; 32]));
    let person = PersonLayout {
        fields: schema.fields().iter().map(|field| field.name().to_owned()).collect(),
        map: MAP.iter().map(|map| map.split_once('=').unwrap()).map(|(f, c)| (f.to_owned(), c.to_owned())).collect(),
        id_column: None,
    };
    let all: String = in_checkups.iter().map(|person| checkup(person).split_once("?>").unwrap().1.to_owned()).collect();
    let all = format!("<all>{all}</all>");
    let layout = KenshinLayout { person: person.clone(), branch_root: None };
    let left = unnormalised(&mut KenshinSource::open(all.as_bytes(), &layout).unwrap(), &encoder);
    let file = receipts(&in_receipts);
    let right = unnormalised(&mut UkeSource::open(&file[..], &UkeLayout::new(person)).unwrap(), &encoder);
    assert_eq!((left.len(), right.len()), (PEOPLE, PEOPLE));
    let raw_tokens = left.iter().zip(&right).filter(|(left, right)| left == right).count();
    let raw_exact = left.iter().zip(&right).filter(|(left, right)| left.1 == right.1).count();

    let share = f64::from(identical) / f64::from(equal) * 100.0;
    let figures = format!(
        "{PEOPLE} people; {equal} with equal values: {identical} tokens identical ({share:.2} %); {different} that differ: \
         {falsely} identical; without normalisation: {raw_tokens} tokens and {raw_exact} exact tokens identical\n"
    );
    std::io::Write::write_all(&mut std::io::stderr(), figures.as_bytes()).unwrap();
    assert!(equal > 9000 && f64::from(identical) >= 0.999 * f64::from(equal), "{figures}");
    assert!(different > 100 && falsely == 0, "{figures}");
    assert!(raw_tokens < 10 && raw_exact < 10, "{figures}");
}
