use super::*;

#[test]
fn a_table_is_normalised_and_routed_as_it_is_when_it_is_tokenised() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let text =
        "id,family_kana,given_kana,family_kanji,given_kanji,birth_date\n1,,ﾊﾅｺ,ｻﾄｳ,ハナエ,S58.3.4\n2,,,佐藤,花子,x\n";
    std::fs::write(&path, text).unwrap();
    let schema = LinkageSchema::shipped("person-ja").unwrap();
    let mut input = InputArgs::reading("person-ja", &path);
    input.id_column = Some("id".to_owned());
    let named = ["family_kana", "given_kana", "family_kanji", "given_kanji", "birth_date"];
    let others = schema.fields().iter().map(|field| field.name()).filter(|name| !named.contains(name));
    input.map = others.map(|name| (name.to_owned(), String::new())).collect();
    let table = Table::read(&input, &schema).unwrap();
    let values = |row: usize| {
        let at = |name: &&str| schema.fields().iter().position(|field| field.name() == *name).unwrap();
        named.iter().map(|name| table.records[row][at(name)].as_deref().unwrap_or("-")).collect::<Vec<_>>()
    };
    // The reading that is there stays.
    assert_eq!(values(0), ["サトウ", "ハナコ", "-", "-", "19830304"]);
    assert_eq!(values(1), ["-", "-", "佐藤", "花子", "-"]);
}
