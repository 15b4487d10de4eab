//! The extracts of `linkage generate` come back through the readers: every record under the id that the truth has, and
//! every value of a record without faults as the person's.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use custodian::refs::SiteKey;
use linkage_core::normalise::normalise;
use linkage_core::schema::FieldKind;
use linkage_core::secret::LinkageSecret;
use linkage_core::source::{
    CsvLayout, CsvSource, Encoding, FhirSource, KenshinLayout, KenshinSource, PersonLayout, RawBatch, Source,
    UkeLayout, UkeSource,
};
use linkage_datasets::{ExtractOptions, Model, Person, Population, Sex, write_extracts};

const PEOPLE: u64 = 6000;
const SEED: u64 = 31;

/// What is compared; a checkup has its name as a whole, so all are read like that where it can be.
const FIELDS: [(&str, FieldKind); 8] = [
    ("family_kana", FieldKind::Kana),
    ("given_kana", FieldKind::Kana),
    ("birth_date", FieldKind::Date),
    ("sex", FieldKind::Sex),
    ("insurer_number", FieldKind::InsurerNumber),
    ("insured_symbol", FieldKind::InsuredSymbol),
    ("insured_number", FieldKind::InsuredNumber),
    ("postal_code", FieldKind::PostalCode),
];

fn layout() -> PersonLayout {
    PersonLayout { fields: FIELDS.map(|(name, _)| name.to_owned()).to_vec(), ..PersonLayout::default() }
}

fn csv(path: &Path, read_with: &str) -> CsvSource<File> {
    let words: Vec<&str> = read_with.split_whitespace().collect();
    let after = |option: &str| words.windows(2).find(|pair| pair[0] == option).map(|pair| pair[1]);
    let maps = words.windows(2).filter(|pair| pair[0] == "--map").filter_map(|pair| pair[1].split_once('='));
    let person = layout();
    let layout = CsvLayout {
        encoding: if after("--encoding") == Some("cp932") { Encoding::Cp932 } else { Encoding::Utf8 },
        map: maps
            .filter(|(field, _)| person.fields.iter().any(|known| known == field))
            .map(|(field, column)| (field.to_owned(), column.to_owned()))
            .collect(),
        fields: person.fields,
        id_column: after("--id-column").map(str::to_owned),
    };
    CsvSource::open(File::open(path).unwrap(), &layout).unwrap()
}

fn source(database: &str, path: &Path, read_with: &str) -> Box<dyn Source> {
    let file = || File::open(path).unwrap();
    match database {
        "ndb" => Box::new(UkeSource::open(file(), &UkeLayout::new(layout())).unwrap()),
        "denkaru" => Box::new(FhirSource::open(file(), &layout()).unwrap()),
        "kenshin" => {
            let layout = KenshinLayout { person: layout(), branch_root: None };
            Box::new(KenshinSource::open(file(), &layout).unwrap())
        }
        _ => Box::new(csv(path, read_with)),
    }
}

/// What a reader ought to yield of a person without faults, normalised.
fn expected(person: &Person) -> [String; 8] {
    let card = &person.insurance;
    let birth = format!("{:04}{:02}{:02}", person.birth.year, person.birth.month, person.birth.day);
    let kana = format!("{}{}", person.family.kana, person.given.kana);
    [
        normal(FieldKind::Kana, &kana),
        String::new(),
        birth,
        if person.sex == Sex::Male { "1".to_owned() } else { "2".to_owned() },
        normal(FieldKind::InsurerNumber, &card.insurer_number),
        normal(FieldKind::InsuredSymbol, &card.symbol),
        normal(FieldKind::InsuredNumber, &card.number),
        person.place.postal_code.clone(),
    ]
}

fn normal(kind: FieldKind, raw: &str) -> String {
    normalise(kind, raw).unwrap_or_default().unwrap_or_default()
}

#[test]
fn every_extract_is_read_as_its_truth_says() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("extracts");
    let model = Model::default();
    let options = ExtractOptions { people: PEOPLE, seed: SEED, model, databases: Vec::new(), threads: 2 };
    let manifest = write_extracts(&folder, &options, &mut |_| {}).unwrap();
    let people: Vec<Person> = Population::new(SEED, PEOPLE).iter().collect();
    // database, id → person and faults.
    let mut truth: HashMap<(String, String), (usize, String)> = HashMap::new();
    for row in std::fs::read_to_string(folder.join("truth.csv")).unwrap().lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        truth.insert((cells[0].into(), cells[1].into()), (cells[2].parse().unwrap(), cells[10].into()));
    }

    for database in &manifest.databases {
        // 様式1 and 台帳 are joined with receipts and claims; those readers have tests of their own.
        if database.files.len() > 1 {
            continue;
        }
        let name = database.name.as_str();
        let mut source = source(name, &folder.join(&database.files[0]), &database.read_with);
        let (mut batch, mut faultless) = (RawBatch::new(), 0);
        let mut found = std::collections::HashSet::new();
        while source.read_batch(&mut batch, 1000).unwrap() {
            assert!(batch.malformed_rows().is_empty(), "{name}");
            for record in batch.records() {
                let text = |bytes| record.encoding().decode(bytes, &mut String::new()).text.to_owned();
                let id = text(record.id().unwrap());
                let (person, faults) = &truth[&(name.to_owned(), id.clone())];
                found.insert(id);
                if !faults.is_empty() {
                    continue;
                }
                faultless += 1;
                let values: Vec<String> = (0..8).map(|field| text(record.field(field))).collect();
                let mut read: Vec<String> =
                    FIELDS.iter().zip(&values).map(|((_, kind), raw)| normal(*kind, raw)).collect();
                read[0] = normal(FieldKind::Kana, &format!("{}{}", values[0], values[1]));
                read[1].clear();
                for (field, (read, wanted)) in read.iter().zip(expected(&people[*person])).enumerate() {
                    // What a format does not carry, or a record leaves out, is empty.
                    assert!(
                        *read == wanted || read.is_empty() && field > 3,
                        "{name}, {}: {read} {wanted}",
                        FIELDS[field].0
                    );
                }
            }
        }
        assert_eq!(found.len() as u64, database.records, "{name}");
        assert!(faultless * 4 > database.records, "{name}: {faultless} of {}", database.records);
    }
}

/// Runs the program in a folder and returns what it prints.
fn custodian(folder: &Path, arguments: &str) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_custodian"));
    let done = command.current_dir(folder).args(arguments.split_whitespace()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_person_has_the_same_token_from_a_storage_as_from_fhir() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("extracts");
    let databases = vec!["denkaru".to_owned(), "ssmix2".to_owned()];
    let options = ExtractOptions { people: PEOPLE / 2, seed: SEED, model: Model::default(), databases, threads: 2 };
    let manifest = write_extracts(&folder, &options, &mut |_| {}).unwrap();
    LinkageSecret::from_bytes([7; 32]).create_file(&folder.join("linkage.secret")).unwrap();
    let key = SiteKey::generate();
    key.create_file(&folder.join("site.key")).unwrap();
    std::fs::write(folder.join("unit.pub"), key.recipient().to_string()).unwrap();

    // Both under one name of a database, so that equal ids have equal record refs.
    let [fhir, storage] = [0, 1].map(|at| {
        let database = &manifest.databases[at];
        let report = custodian(
            &folder,
            &format!(
                "tokenise --database denkaru --schema person-ja --secret linkage.secret --to unit.pub --site-key site.key \
                 --json -o {at}.tokens {}",
                database.read_with
            ),
        );
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["written_rows"].as_u64(), Some(database.records), "{}: {report}", database.name);
        // Prescriptions are rows too, and give way to the master data.
        let superseded = report["findings"]["superseded"].as_u64().unwrap();
        assert_eq!(superseded * 3 > database.records, database.name == "ssmix2", "{report}");
        let shown = custodian(&folder, &format!("inspect --site-key site.key --rows 100000 {at}.tokens"));
        let rows = shown.lines().filter(|line| line.len() > 200).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(rows.len() as u64, database.records);
        rows
    });
    // A name that JIS X 0208 cannot write is another one in a storage; everything else is the same.
    let truth = std::fs::read_to_string(folder.join("truth.csv")).unwrap();
    let given_up = truth.lines().filter(|row| row.starts_with("ssmix2,") && row.contains("jis-fallback")).count();
    let differ = fhir.iter().zip(&storage).filter(|(fhir, storage)| fhir != storage).count();
    assert!(given_up > 0 && differ == given_up, "{differ} of {} differ, {given_up} were given up", fhir.len());
}
