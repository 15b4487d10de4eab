use proptest::prelude::*;

use super::super::person::month_of;
use super::*;

const FIELDS: [&str; 9] = [
    "family_kana",
    "given_kana",
    "family_kanji",
    "birth_date",
    "sex",
    "postal_code",
    "insurer_number",
    "insured_symbol",
    "insured_number",
];

const GOLDEN: &str = include_str!("../../../../testdata/golden/checkup.xml");

fn layout() -> KenshinLayout {
    let fields = FIELDS.iter().map(|field| (*field).to_owned()).collect();
    KenshinLayout { person: PersonLayout { fields, ..PersonLayout::default() }, branch_root: None }
}

fn read_with(file: &[u8], layout: &KenshinLayout) -> Result<(Vec<String>, Vec<u64>), SourceError> {
    let mut source = KenshinSource::open(file, layout)?;
    let (mut batch, mut rows, mut malformed) = (RawBatch::new(), Vec::new(), Vec::new());
    while source.read_batch(&mut batch, 2)? {
        malformed.extend_from_slice(batch.malformed_rows());
        for record in batch.records() {
            let values = (0..layout.person.fields.len()).map(|field| String::from_utf8_lossy(record.field(field)));
            let id = String::from_utf8_lossy(record.id().unwrap_or_default());
            rows.push(format!(
                "{} {} {id} {}",
                record.row(),
                month_of(record.newness()),
                values.collect::<Vec<_>>().join("|")
            ));
        }
    }
    Ok((rows, malformed))
}

fn read(file: &str) -> (Vec<String>, Vec<u64>) {
    read_with(file.as_bytes(), &layout()).unwrap()
}

#[test]
fn the_golden_file_becomes_this_row() {
    let expected = "1 10 ::06132013:131:456::1:19500504:ケンシンタロウ \
                    ケンシンタロウ|||19500504|1|100-0001|06132013|１３１|４５６";
    assert_eq!(read(GOLDEN), (vec![expected.to_owned()], vec![]));
    let with_mark = format!("\u{FEFF}{GOLDEN}");
    assert_eq!(read(&with_mark), (vec![expected.to_owned()], vec![]));
}

#[test]
fn the_branch_is_read_where_its_root_is_given() {
    let mut layout = layout();
    layout.branch_root = Some("9.9.9".into());
    layout.person.fields.push("insured_branch".into());
    assert!(read_with(GOLDEN.as_bytes(), &layout).unwrap().0[0].ends_with("|４５６|02"));
}

#[test]
fn many_documents_in_one_file_prefixes_and_names_in_parts_are_read() {
    let body = GOLDEN.split_once("?>").unwrap().1;
    let parts = body.replace("<name>ケンシン", "<name><family>タナカ</family><given>ケンシン</given>");
    let prefixed = body.replace("<", "<h:").replace("<h:/", "</h:").replace("<h:!", "<!").replace("<!-- a", "<!--a");
    let (rows, malformed) = read(&format!("<all>{body}{parts}{prefixed}</all>"));
    assert_eq!((rows.len(), malformed.len()), (3, 0));
    assert_eq!(rows[0][2..], rows[2][2..]);
    assert!(rows[1].contains(" タナカ|ケンシンタロウ|") || rows[1].contains(" タナカ|ケンシン タロウ|"), "{}", rows[1]);
}

#[test]
fn each_of_several_names_goes_where_its_script_belongs() {
    let name = |names: &str| {
        let start = GOLDEN.find("<name>ケンシン").unwrap();
        let end = start + GOLDEN[start..].find("</name>").unwrap() + "</name>".len();
        read(&[&GOLDEN[..start], names, &GOLDEN[end..]].concat()).0.remove(0)
    };
    for names in [
        "<name>健診太郎</name><name>ケンシン　タロウ</name>",
        "<name>ケンシン　タロウ</name><name>健診太郎</name><name/><name nullFlavor=\"UNK\"></name>",
        "<name><family>ケンシン</family><given>タロウ</given></name><name>健診太郎</name><name>ベツ　ジン</name>",
    ] {
        let row = name(names);
        assert!(row.ends_with(" ケンシン|タロウ|健診太郎|19500504|1|100-0001|06132013|１３１|４５６"), "{row}");
    }
}

#[test]
fn other_files_of_the_folder_have_no_row_and_broken_ones_are_set_aside() {
    assert_eq!(
        read("<index xmlns='http://tokuteikenshin.jp/checkup/2007'><interactionType code='6'/></index>").0.len(),
        0
    );
    assert_eq!(read(""), (vec![], vec![]));
    for broken in [
        &GOLDEN[..600],
        "<a><b></a>",
        "<ClinicalDocument><effectiveTime value=></ClinicalDocument>",
        "<ClinicalDocument>&unknown;</ClinicalDocument>",
    ] {
        let (rows, malformed) = read(broken);
        assert_eq!((rows.len(), malformed), (0, vec![1]), "{broken}");
    }
    let cp932 = encoding_rs::SHIFT_JIS.encode(GOLDEN).0;
    assert_eq!(read_with(&cp932, &layout()).unwrap(), (vec![], vec![1]));
    let endless = format!("<ClinicalDocument><recordTarget a=\"{}\"/></ClinicalDocument>", "x".repeat(3 << 20));
    assert_eq!(read(&endless), (vec![], vec![1]));
    assert_eq!(read(&"<a>".repeat(9000)), (vec![], vec![1]));
}

proptest! {
    #[test]
    fn any_bytes_are_rows_or_malformed(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..GOLDEN.len()) {
        prop_assert!(read_with(&bytes, &layout()).is_ok());
        let mut file = GOLDEN.as_bytes().to_vec();
        file.splice(at..(at + 3).min(GOLDEN.len()), bytes.into_iter().take(5));
        prop_assert!(read_with(&file, &layout()).is_ok());
    }
}
