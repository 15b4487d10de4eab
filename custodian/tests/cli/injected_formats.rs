//! Records of made-up people in every format, whole or damaged on purpose.

use crate::site::parquet;

/// A byte that no encoding here has; the control character stands for it until the text has been encoded.
pub const BAD: char = '\u{1}';

/// What a record says, before it is written in a format. A format takes what it has a place for.
#[derive(Clone)]
pub struct Record {
    pub id: String,
    /// Family and given name.
    pub kana: [String; 2],
    pub kanji: [String; 2],
    pub latin: String,
    pub birth: String,
    pub sex: String,
    pub postal_code: String,
    pub insurer: String,
    pub symbol: String,
    pub number: String,
    pub branch: String,
    pub facility: String,
    pub house: String,
    /// The record ends too early.
    pub cut: bool,
    /// The file with the names has the person.
    pub is_named: bool,
}

impl Record {
    /// Everything given, everything valid, and nobody else's.
    pub fn sound(n: usize) -> Self {
        let pair = |family: &str, given: &str| [family.to_owned(), given.to_owned()];
        Self {
            id: format!("{}", 1000 + n),
            kana: pair("ヤマダ", "ハナコ"),
            kanji: pair("山田", "花子"),
            latin: "YAMADA HANAKO".to_owned(),
            birth: format!("{}0304", 1930 + n % 90),
            sex: ["1", "2"][n % 2].to_owned(),
            postal_code: "1000001".to_owned(),
            insurer: "06132013".to_owned(),
            symbol: "12".to_owned(),
            number: format!("{}", 5000 + n),
            branch: "01".to_owned(),
            facility: "1311234567".to_owned(),
            house: "7".to_owned(),
            cut: false,
            is_named: true,
        }
    }

    /// Nothing at all.
    pub fn empty() -> Self {
        Self {
            id: String::new(),
            kana: Default::default(),
            kanji: Default::default(),
            latin: String::new(),
            birth: String::new(),
            sex: String::new(),
            postal_code: String::new(),
            insurer: String::new(),
            symbol: String::new(),
            number: String::new(),
            branch: String::new(),
            facility: String::new(),
            house: String::new(),
            cut: false,
            is_named: true,
        }
    }

    fn values(&self) -> [&str; 15] {
        let Self {
            id,
            kana,
            kanji,
            latin,
            birth,
            sex,
            postal_code,
            insurer,
            symbol,
            number,
            branch,
            facility,
            house,
            ..
        } = self;
        [
            id,
            &kana[0],
            &kana[1],
            &kanji[0],
            &kanji[1],
            latin,
            birth,
            sex,
            postal_code,
            insurer,
            symbol,
            number,
            branch,
            facility,
            house,
        ]
    }
}

const COLUMNS: [&str; 15] = [
    "id",
    "family_kana",
    "given_kana",
    "family_kanji",
    "given_kanji",
    "name_latin",
    "birth_date",
    "sex",
    "postal_code",
    "insurer_number",
    "insured_symbol",
    "insured_number",
    "insured_branch",
    "facility_code",
    "house_number",
];

/// Files, how they are read, and which row each record is.
pub struct Extract {
    pub files: Vec<(String, Vec<u8>)>,
    pub options: String,
    /// Where a record's values are.
    pub rows: Vec<u64>,
    /// Where a record is in the file that is read first: the same, unless the names are in another one.
    pub first_rows: Vec<u64>,
}

/// Writes the records in a format.
pub fn write(format: &str, records: &[Record]) -> Extract {
    let lines = |record: fn(&Record) -> String| records.iter().map(record).collect::<Vec<_>>();
    match format {
        "csv" => {
            let text = [COLUMNS.join(",")].into_iter().chain(lines(csv)).map(|line| line + "\n").collect::<String>();
            one(cp932(&text), "--encoding cp932 --id-column id in", rows(records, 2, 1))
        }
        "parquet" => {
            let columns = COLUMNS
                .iter()
                .enumerate()
                .map(|(at, name)| (*name, records.iter().map(|record| bytes(record.values()[at])).collect::<Vec<_>>()));
            one(parquet(columns.collect()), "--format parquet --id-column id in", rows(records, 1, 1))
        }
        "uke" => uke(records),
        "kenshin" => {
            let files = lines(kenshin).into_iter().enumerate();
            Extract {
                files: files.map(|(n, text)| (format!("in/{n:04}.xml"), text.into_bytes())).collect(),
                options: "--format kenshin --branch-root 9.9.9 --map house_number= in".to_owned(),
                rows: rows(records, 1, 1),
                first_rows: rows(records, 1, 1),
            }
        }
        "fhir" => {
            let text = lines(fhir).into_iter().map(|line| line + "\n").collect::<String>();
            one(text.into_bytes(), "--format fhir --map house_number= in", rows(records, 1, 1))
        }
        "kaigo" => {
            let text = lines(ledger).concat();
            one(cp932(&text), "--format kaigo --map house_number= in", rows(records, 1, 1))
        }
        "assessment" => {
            let text = lines(assessment).concat();
            let options = "--format kaigo --register assessment --map house_number= in";
            one(cp932(&text), options, rows(records, 1, 1))
        }
        "claims" => {
            let named = records.iter().filter(|record| record.is_named);
            let register: String = named.map(|record| ledger(&Record { cut: false, ..record.clone() })).collect();
            beside(cp932(&lines(claim).concat()), cp932(&register), "kaigo", records, 0)
        }
        "dpc" => {
            let receipts = records.iter().filter(|record| record.is_named);
            let receipts: Vec<Record> = receipts.map(|record| Record { cut: false, ..record.clone() }).collect();
            let receipts = uke_file(&receipts, "\nBU,040080xx99x0xx,20240401,20240410,1");
            beside(cp932(&lines(summary).concat()), receipts, "dpc", records, 1)
        }
        _ => {
            let text = encoding_rs::ISO_2022_JP.encode(&lines(message).concat()).0.into_owned();
            one(text.into_iter().map(bad).collect(), "--format ssmix2 --map house_number= in", rows(records, 1, 1))
        }
    }
}

fn one(content: Vec<u8>, options: &str, rows: Vec<u64>) -> Extract {
    Extract {
        files: vec![("in".to_owned(), content)],
        options: options.to_owned(),
        rows: rows.clone(),
        first_rows: rows,
    }
}

/// Records without names, and the file that has them: its rows count on from those of the first. Receipts have five lines
/// each after one of the facility, a register one.
fn beside(content: Vec<u8>, names: Vec<u8>, format: &str, records: &[Record], before: u64) -> Extract {
    let per_record = if format == "dpc" { 5 } else { 1 };
    let mut next = records.len() as u64 + before + 1;
    let mut rows_of_names = Vec::new();
    for record in records {
        rows_of_names.push(next);
        next += if record.is_named { per_record } else { 0 };
    }
    Extract {
        files: vec![("in".to_owned(), content), ("names".to_owned(), names)],
        options: format!("--format {format} --map house_number= --names names in"),
        rows: rows_of_names,
        first_rows: rows(records, 1, 1),
    }
}

fn rows(records: &[Record], first: u64, step: u64) -> Vec<u64> {
    (0..records.len() as u64).map(|n| first + n * step).collect()
}

fn bad(byte: u8) -> u8 {
    if byte == 1 { 0xFF } else { byte }
}

fn bytes(text: &str) -> Vec<u8> {
    text.bytes().map(bad).collect()
}

fn cp932(text: &str) -> Vec<u8> {
    encoding_rs::SHIFT_JIS.encode(text).0.iter().map(|&byte| bad(byte)).collect()
}

fn csv(record: &Record) -> String {
    let values = record.values();
    values[..if record.cut { 14 } else { 15 }].join(",")
}

/// Receipts of one facility, five lines each.
fn uke(records: &[Record]) -> Extract {
    one(uke_file(records, "\nSY,1"), "--format uke --map house_number= in", rows(records, 2, 5))
}

fn uke_file(records: &[Record], more: &str) -> Vec<u8> {
    let receipt = |(n, record): (usize, &Record)| {
        let Record { id, kana, kanji, birth, sex, insurer, symbol, number, branch, .. } = record;
        let name = format!("{}　{}", kanji[0], kanji[1]);
        let name = name.trim();
        // 医科 has the reading in column 37; of DPC it is found.
        let patient = match record.cut {
            true => format!("RE,{n},1112,202110,{name}"),
            false => format!("RE,{n},1112,202110,{name},{sex},{birth},,,,,,,{id}{}{},", ",".repeat(23), kana.concat()),
        };
        format!("{patient}\nHO,{insurer},{symbol},{number}\nSN,1,01,,,,{branch},,{more}\nSI,1\n")
    };
    let receipts: String = records.iter().enumerate().map(receipt).collect();
    cp932(&format!("IR,1,13,1,1234567\n{receipts}GO,{}\n", records.len()).replace('\n', "\r\n"))
}

fn kenshin(record: &Record) -> String {
    let Record { kana, birth, sex, postal_code, insurer, symbol, number, branch, .. } = record;
    let id = |root: &str, value: &str| format!("<id root='{root}' extension='{value}'/>");
    let [insurer, symbol, number] = [("101", insurer), ("204", symbol), ("205", number)]
        .map(|(root, value)| id(&format!("1.2.392.200119.6.{root}"), value));
    format!(
        "<ClinicalDocument><recordTarget><patientRole>{insurer}{symbol}{number}{}<addr><postalCode>{postal_code}</postalCode>\
         </addr><patient><name>{}</name><administrativeGenderCode code='{sex}'/><birthTime value='{birth}'/></patient>\
         </patientRole></recordTarget>{}",
        id("9.9.9", branch),
        kana.concat(),
        if record.cut { "" } else { "</ClinicalDocument>" }
    )
}

fn fhir(record: &Record) -> String {
    let Record { id, kana, kanji, latin, birth, sex, postal_code, insurer, symbol, number, branch, facility, .. } =
        record;
    let birth =
        if birth.len() == 8 { format!("{}-{}-{}", &birth[..4], &birth[4..6], &birth[6..]) } else { birth.clone() };
    let name = |code: &str, text: &str| {
        let url = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";
        serde_json::json!({"extension": [{"url": url, "valueCode": code}], "text": text.trim()})
    };
    let patient = serde_json::json!({
        "identifier": [
            {"system": format!("urn:oid:1.2.392.100495.20.3.51.1{facility}"), "value": id},
            {
                "system": "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID",
                "value": format!("{insurer}:{symbol}:{number}:{branch}"),
            },
        ],
        "name": [name("IDE", &kanji.join(" ")), name("SYL", &kana.join(" ")), name("ABC", latin)],
        "gender": sex, "birthDate": birth, "address": [{"postalCode": postal_code}], "resourceType": "Patient",
    });
    let mut text = patient.to_string();
    if record.cut {
        text.truncate(text.len() - 2);
    }
    text
}

/// A row of the register of the insurers' association.
fn ledger(record: &Record) -> String {
    let Record { id, kana, birth, sex, insurer, .. } = record;
    match record.cut {
        true => format!("2,{id},5311\r\n"),
        false => {
            // Nobody is in a register without the insurer.
            let insurer = if insurer.is_empty() { "06132013" } else { insurer };
            format!("2,{id},5311,01,20240401,1,1,x,{insurer},{id},{} {},{birth},{sex},\r\n", kana[0], kana[1])
        }
    }
}

/// A row of the register of 認定ソフト.
fn assessment(record: &Record) -> String {
    let Record { id, kana, kanji, birth, sex, postal_code, insurer, .. } = record;
    let insurer = if insurer.is_empty() { "06132013" } else { insurer };
    match record.cut {
        true => format!("1,1,x,{insurer},{id}\r\n"),
        false => format!(
            "1,1,x,{insurer},{id},20230315,,,,,,,{birth},89,{sex},{} {},{}　{},{postal_code},x\r\n",
            kana[0], kana[1], kanji[0], kanji[1]
        ),
    }
}

/// A claim of long-term care, which has no name.
fn claim(record: &Record) -> String {
    let id = &record.id;
    match record.cut {
        true => format!("2,{id},7131\r\n"),
        false => format!("2,{id},7131,01,202404,1370100000,06132013,{id},,,,,,,19350102,2,21\r\n"),
    }
}

/// A discharge summary, which has no name.
fn summary(record: &Record) -> String {
    let id = &record.id;
    match record.cut {
        true => format!("131234567\t{id}\t20240401\t0\t0\tA000010\r\n"),
        false => format!("131234567\t{id}\t20240401\t0\t0\tA000010\t20240401\t0\t\t\t1000001\t\t\t\t\t\t\r\n"),
    }
}

fn message(record: &Record) -> String {
    let Record { id, kana, kanji, latin, birth, sex, postal_code, insurer, symbol, number, branch, facility, .. } =
        record;
    let header = format!("MSH|^~\\&|HIS|{facility}|GW|RCV|20240301||ADT^A08|1|P|2.5||||||~ISO IR87\r");
    if record.cut {
        return format!("{header}PID|1||{id}||{}\r", kanji[0]);
    }
    let (latin, latin_given) = latin.split_once(' ').unwrap_or((latin, ""));
    let name = |family: &str, given: &str, code: char| format!("{family}^{given}^^^^^L^{code}");
    let names =
        [name(&kanji[0], &kanji[1], 'I'), name(&kana[0], &kana[1], 'P'), name(latin, latin_given, 'A')].join("~");
    format!(
        "{header}PID|1||{id}||{names}||{birth}|{sex}|||^^^^{postal_code}^JPN\rIN1|1|x|{insurer}|||||||{symbol}~{number}~{branch}\r"
    )
}
