#!/usr/bin/env python3
"""Writes the golden files of the readers, each in the encoding and with the line ends of its format.

Made-up people only; checkup.xml is written by hand. `python3 testdata/golden/make.py`; the Parquet file needs pyarrow and is left alone without it.
What the readers make of them stands in expected.txt, which `UPDATE_EXPECT=1 cargo test -p linkage-core --test golden` writes.
"""
import pathlib

HERE = pathlib.Path(__file__).parent
SOURCE = HERE.parent.parent / "linkage-core/src/source"


def write(name, text, encoding, newline="\r\n"):
    (HERE / name).write_bytes(text.replace("\n", newline).encode(encoding))


# CSV: vendor columns, CP932, quotes, an era date, a name in kana in the column for kanji, a foreign resident, one with a name
# in common use (通称), twins.
write("people.csv", """id,姓カナ,名カナ,姓,名,旧姓,旧姓カナ,通称名,通称名カナ,生年月日,性別,郵便番号,保険者番号,記号,番号,枝番
1,ﾔﾏﾀﾞ,ﾊﾅｺ,山田,花子,佐藤,ｻﾄｳ,,,S58.3.4,女,〒100-0001,06132013,１２,３４５,01
2,,,"ヤマダ","タロウ",,,,,昭和58年3月4日,男,1000001,06132013,12,345,02
3,,,SMITH,JOHN PAUL,,,,,1970/01/02,1,150-0002,138057,,6789,
4,タカハシ,イチロウ,髙橋,一郎,,,,,平元.1.8,1,,06132013,12,346,03
5,タカハシ,ジロウ,髙橋,二郎,,,,,平元.1.8,1,,06132013,12,346,04
6,サトウ,●,佐藤,●●,,,,,1991-02-30,9,123,1234567,,,
7,たなか,みさこ,田中,美さ子,,,,,19910228,2,"060-0001",06132013,記号の１,8,
8,グエン,ティ マイ,NGUYEN,THI MAI,,,山田　花子,ﾔﾏﾀﾞ ﾊﾅｺ,平7.5.5,女,1500002,138057,,6790,
""", "cp932")

# A table without a header, under a line of its own, for mapping-numbered.toml.
write("people-numbered.txt", """抽出 2024-04-01
1\tヤマダ ハナコ\t4/3/1983\t2\t100-0001
2\tサトウ　タロウ\t04031983\tNULL\t0600001
3\tスズキ\t31.12.1950\t1\t
4\tキムラ
""", "utf-8", "\n")

# Receipts: 医科, 歯科 and 国保 as in the unit tests, and DPC with a kana column that has to be detected.
write("receipts.uke", (SOURCE / "uke/golden.txt").read_text(encoding="utf-8"), "cp932")
write("receipts-dpc.uke", """IR,1,13,1,1234567,,テスト病院,202404,00,
RE,1,1111,202404,山田　花子,2,19911121,,,,,,,0000000886,,,ヤマダハナコ,
BU,040080xx99x0xx,20240401,20240410,1
HO,06132013,１２,３４５,1,14321,,,,,,,,,
RE,2,1111,202404,ＮＧＵＹＥＮ　ＴＨＩ　ＭＡＩ,2,19950505,,,,,,,0000000887,,,グエンティマイ,
BU,040080xx99x0xx,20240401,20240410,1
HO,06132013,１２,３４６,1,14321,,,,,,,,,
RE,3,1111,202404,外来　次郎,1,19950505,,,,,,,999,,,ガイライジロウ,
BU,040080xx99x0xx,20240401,20240410,1
HO,06132013,１２,３４７,1,14321,,,,,,,,,
GO,3,3000,99
""", "cp932")

# 様式1 beside those receipts.
rows = [["施設コード", "データ識別番号", "入院年月日", "回数管理番号", "統括診療情報番号", "コード", "バージョン", "連番"]
        + [f"ペイロード{n}" for n in range(1, 10)]]
for patient, payload in [("0000000886", ["19911121", "2", "0600001"]), ("0000000887", ["19950505", "2", "9999999"]),
                         ("0000000888", ["19500101", "1", "1000001"])]:
    for code, values in [("A000010", payload), ("A000020", ["1", "", ""])]:
        rows.append(["131234567", patient, "20240401", "0", "0", code, "20240401", "0"] + values + [""] * 6)
rows.append(["131234567", "0000000889", "20240401", "0", "0", "A000010"])
write("ff1.txt", "\n".join("\t".join(row) for row in rows) + "\n", "cp932")

write("patients.ndjson", (SOURCE / "fhir/golden.ndjson").read_text(encoding="utf-8") + """\
{"resourceType":"Patient","identifier":[{"system":"urn:oid:1.2.392.100495.20.3.51.11311234567","value":"7"}],"name":[{"use":"official","family":"NGUYEN","given":["THI","MAI"]},{"use":"usual","text":"グエン ティ マイ"}],"gender":"female","birthDate":"1995-05-05"}
{"resourceType":"Patient","identifier":[{"system":"urn:oid:1.2.392.100495.20.3.51.11311234567","value":"8"}],"name":[{"use":"official","family":"山田","given":["花子"]},{"use":"maiden","family":"佐藤"},{"use":"old","text":"サトウ ハナコ"}],"gender":"female","birthDate":"1983-03"}
{"resourceType":"Patient","identifier":[{"system":"urn:oid:1.2.392.100495.20.3.51.11311234567","value":"9"}],"name":[{"use":"official","family":"NGUYEN","given":["VAN","AN"]},{"use":"usual","text":"山本 太郎"},{"use":"usual","text":"ヤマモト タロウ"}],"gender":"male","birthDate":"1990-01-02"}
{"resourceType":"Patient","identifier":[{"system":"urn:oid:1.2.392.100495.20.3.51.11311234567","value":"10"}],"name":[{"use":"official","text":"金 哲洙"},{"use":"official","text":"キム チョルス"},{"use":"usual","text":"金田 哲男"},{"use":"usual","text":"カネダ テツオ"},{"use":"old","family":"朴"},{"use":"old","family":"パク"}],"gender":"male","birthDate":"1970-10-11"}
""", "utf-8", "\n")

# 介護: the register of the insurers' association and of 認定ソフト, and claims that carry no name.
ENVELOPE = ["1,1,0,2,5311,131045,0,1,202404,0\n", "3,5\n"]
write("ledger.csv", ENVELOPE[0] + """\
2,2,5311,01,20240401,1,1,x,00131045,0000000123,ｻﾄｳ ﾊﾅｺ,19350102,2,
2,3,5311,01,20240401,1,1,x,00131045,0000000124,ﾀﾅｶ ｲﾁﾛｳ,3100304,1,
2,4,5311,01,20240401,1,1,x,00131045,0000000125,ﾔﾏﾓﾄ ｻﾌﾞﾛｳ,19400506,1,
2,5,5311
""" + ENVELOPE[1], "cp932")
write("claims.csv", """1,1,0,3,7131,131045,0,1,202404,0
2,2,7131,01,202404,1370100000,00131045,0000000123,,,,,,,19350102,2,21
2,3,7131,02,202404,1370100000,00131045,0000000123,1,11
2,4,7131,01,202404,1370100000,  131045,0000000124,,,,,,,19350304,1,22
2,5,7131,01,202405,1370100000,00131045,0000000123,,,,,,,19350102,2,21
2,6,7131,01,202404,1370100000,00131045,0000000999,,,,,,,19350102,2,21
2,7,7131,01,202404,1370100000,00131045,,,,,,,,19350102,2,21
3,8
""", "cp932")
header = ["番号", "区分", "更新日", "保険者番号", "被保険者番号", "申請日", "7", "8", "9", "10", "11", "12", "生年月日", "年齢",
          "性別", "氏名カナ", "氏名", "郵便番号", "住所"]
write("assessments.csv", ",".join(header) + """
1,1,x,131045,0000000123,20230315,,,,,,,S10.1.2,89,女,ｻﾄｳ ﾊﾅｺ,佐藤　花子,100-0001,"東京都,千代田区"
2,1,x,131045,0000000123,20240315,,,,,,,S10.1.2,89,女,ﾔﾏﾀﾞ ﾊﾅｺ,山田　花子,100-0001,"東京都,千代田区"
""", "cp932")

# SS-MIX2: ISO-2022-JP, CR. In JIS 奥 holds the byte of |, 京 that of ~ and 五 that of ^.
MSH = "MSH|^~\\&|HIS|HOSP|GW|RCV|20240301120000||ADT^A08^ADT_A01|1|P|2.5||||||~ISO IR87||ISO 2022-1994\n"
write("adt-00", MSH + """\
EVN||20240301120000
PID|0001||9999013||奥京^五郎^^^^L^I~オクキョウ^ゴロウ^^^^L^P||19480405|M|||^^^^422-8033^JPN^H^静岡県||^PRN^PH
IN1|1|06^組合^JHSD0001|06132013|組合||||||１２~３４５~01
""" + MSH + """\
PID|0001||9999014||山田^花子^^^^^L^I~ヤマダ^ハナコ^^^^^L^P~佐藤^花子^^^^^M^I~サトウ^ハナコ^^^^^M^P~YAMADA^HANAKO^^^^^L^A||19830304|F
""" + MSH + """\
PID|0001||9999016||NGUYEN^VAN^AN^^^^L^A~山本^太郎^^^^^A^I~ヤマモト^タロウ^^^^^A^P||19900102|M
""" + MSH + """\
PID|0001||9999017||金^哲洙^^^^^L^I~キム^チョルス^^^^^L^P~金田^哲男^^^^^A^I~カネダ^テツオ^^^^A^P||19701011|M
""" + MSH + "PID|0001||9999015||切れた^人\n", "iso2022_jp", "\r")

try:
    import datetime
    import pyarrow
    import pyarrow.parquet
except ImportError:
    print("without pyarrow, people.parquet is left as it is")
else:
    table = pyarrow.table({
        "id": pyarrow.array([1, 2, 3], pyarrow.int32()),
        "family_kana": ["ヤマダ", "サトウ", None],
        "given_kana": ["ハナコ", "タロウ", None],
        "birth_date": pyarrow.array([datetime.date(1983, 3, 4), None, datetime.date(1912, 7, 30)], pyarrow.date32()),
        "sex": pyarrow.array(["2", "1", "2"]).dictionary_encode(),
        "postal_code": pyarrow.array(["1000001", "0600001", ""], pyarrow.large_string()),
        "weight": [50.5, 60.5, 70.5],
    })
    pyarrow.parquet.write_table(table, HERE / "people.parquet", compression="zstd", row_group_size=2)
