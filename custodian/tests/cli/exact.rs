//! Exact tokens, from outside: who gets the same one, in whatever format, and who must not.

use std::collections::BTreeMap;
use std::fs;

use arrow::array::{Array, AsArray as _};
use linkage_core::token_file::TokenFileReader;

use super::site::{HEADER, Site};

/// What the exact tokens of a row are: nothing where the row has none.
type Exact = BTreeMap<String, Option<Vec<u8>>>;

/// The exact tokens of the rows that these arguments give, in the order of the file.
fn exact(site: &Site, schema: &str, arguments: &str) -> Vec<Exact> {
    let run = site.run(&format!(
        "tokenise --database ndb --schema {schema} --secret linkage.secret --to unit.pub --site-key site.key --force \
         -o exact.tokens {arguments}"
    ));
    assert!(matches!(run.code(), 0 | 3), "{}", run.stderr());
    let unit = custodian::refs::SiteKey::load(&site.path("unit.key")).unwrap();
    let mut reader =
        TokenFileReader::open(fs::File::open(site.path("exact.tokens")).unwrap(), unit.identity()).unwrap();
    let mut rows = Vec::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        let schema = batch.schema();
        let columns = schema.fields().iter().enumerate().filter(|(_, field)| field.name().starts_with("exact_"));
        let columns: Vec<_> =
            columns.map(|(at, field)| (field.name()["exact_".len()..].to_owned(), batch.column(at))).collect();
        for row in 0..batch.num_rows() {
            let value =
                |column: &dyn Array| column.is_valid(row).then(|| column.as_fixed_size_binary().value(row).to_vec());
            rows.push(columns.iter().map(|(name, column)| (name.clone(), value(*column))).collect());
        }
    }
    rows
}

/// The exact tokens of one person of `person-ja`.
fn person(site: &Site, row: &str) -> Exact {
    site.write("one.csv", format!("{HEADER}\n1,{row}\n"));
    exact(site, "person-ja", "--id-column id one.csv").remove(0)
}

/// Whether two records agree in an exact token, and so are linked whatever else they say.
fn agree(a: &Exact, b: &Exact) -> bool {
    a.iter().any(|(name, token)| token.is_some() && b[name] == *token)
}

#[test]
fn the_family_on_one_card_is_told_apart_and_one_person_on_it_is_not() {
    let site = Site::new();
    let hanako = person(&site, "ヤマダ,ハナコ,山田,花子,2015-03-04,2,1000001,06132013,12,345,02");
    for (row, same, who) in [
        ("ﾔﾏﾀﾞ,ﾊﾅｺ,,,H27.3.4,女,,６１３２０１３,１２,３４５,2", true, "the same, written in another way"),
        ("ヤマダ,,山田,花子,2015-03-04,,,06132013,12,345,02", true, "no given name in kana: the branch tells"),
        (
            "ヤマダ,ハナコ,山田,花子,2015-03-04,2,,06132013,12,345,",
            true,
            "an old card without a branch: the name tells",
        ),
        ("ヤマダ,ハルコ,山田,春子,2015-03-04,2,1000001,06132013,12,345,03", false, "the twin"),
        ("ヤマダ,ハルコ,山田,春子,2015-03-04,2,1000001,06132013,12,345,", false, "the twin on an old card"),
        ("ヤマダ,タロウ,山田,太郎,1980-01-02,1,1000001,06132013,12,345,00", false, "the father"),
        (
            "ヤマダ,タロウ,山田,太郎,1980-01-02,1,1000001,06132013,12,345,02",
            false,
            "the father, by a system that has one branch for all",
        ),
        ("ヤマダ,ハナコ,山田,花子,2015-03-04,2,1000001,06132013,12,346,02", false, "another card"),
        ("ヤマダ,ハナコ,山田,花子,,2,1000001,06132013,12,345,02", false, "no birth date to check the number by"),
    ] {
        assert_eq!(agree(&hanako, &person(&site, row)), same, "{who}");
    }
    let old = person(&site, "ヤマダ,ハナコ,山田,花子,2015-03-04,2,1000001,06132013,12,345,");
    let twin = person(&site, "ヤマダ,ハルコ,山田,春子,2015-03-04,2,1000001,06132013,12,345,");
    assert!(old["insured_name"].is_some() && !agree(&old, &twin), "twins, neither with a branch");
}

#[test]
fn a_patient_of_one_facility_has_one_exact_token_in_all_its_systems() {
    let site = Site::new();
    let golden =
        |name: &str| fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/golden/").to_owned() + name).unwrap();
    site.write("ff1.txt", golden("ff1.txt"));
    site.write("receipts-dpc.uke", golden("receipts-dpc.uke"));
    site.write(
        "receipts.uke",
        "IR,1,13,1,1234567,,A,202404,00,\r\nRE,1,1112,202404,A B,2,19911121,,,,,,,00886,\r\nHO,06132013,12,345,1,10\r\nGO,1,10,99\r\n",
    );
    let patient = |facility: &str, id: &str, birth: &str| {
        format!(
            r#"{{"resourceType":"Patient","identifier":[{{"system":"urn:oid:1.2.392.100495.20.3.51.1{facility}","value":"{id}"}}],"name":[{{"text":"C D"}}],"birthDate":"{birth}"}}"#
        )
    };
    let fhir = [
        patient("1311234567", "000886", "1991-11-21"),
        patient("1311234567", "000887", "1991-11-21"),
        patient("1311234568", "000886", "1991-11-21"),
    ];
    fhir.iter().zip(1..).for_each(|(line, n)| site.write(&format!("patient-{n}.ndjson"), line));
    site.write(
        "adt-00",
        "MSH|^~\\&|X|1311234567|||20240401||ADT^A08|1|P|2.5\rPID|1||0000000886^^^^PI||A^B^^^^^L^A||19911121|F\r",
    );
    let patient = |arguments: &str| -> Vec<Vec<u8>> {
        let rows = exact(&site, "person-ja-hospital", arguments);
        rows.into_iter().filter_map(|mut row| row.remove("facility_patient").unwrap()).collect()
    };
    let summaries = patient("--format dpc --names receipts-dpc.uke ff1.txt");
    assert_eq!(summaries.len(), 2, "both patients of the summaries who have receipts");
    let alone = |arguments: &str| {
        let [token] = &patient(arguments)[..] else { panic!("{arguments}: not one row") };
        token.clone()
    };
    let receipt = alone("--format uke receipts.uke");
    assert!(summaries.contains(&receipt), "様式1 pads the number to ten digits and has no points table");
    assert_eq!(alone("--format ssmix2 adt-00"), receipt);
    assert_eq!(alone("--format fhir patient-1.ndjson"), receipt);
    for (file, why) in [("patient-2.ndjson", "another person of this number"), ("patient-3.ndjson", "another facility")]
    {
        let other = alone(&format!("--format fhir {file}"));
        assert!(other != receipt && !summaries.contains(&other), "{why}");
    }
    site.write("people.csv", "id,facility,chart,birth_date\n1,131234567,886,1991/11/21\n");
    let rest = "family_kana given_kana family_kanji given_kanji sex postal_code insurer_number insured_symbol insured_number \
                insured_branch";
    let absent: String = rest.split_whitespace().map(|field| format!(" --map {field}=")).collect();
    let table = format!("--map facility_code=facility --map chart_number=chart --id-column id{absent} people.csv");
    assert_eq!(alone(&table), receipt);
}
