"""Names and streets in the languages of the simulated shop's customers, in their own scripts."""
# ruff: noqa: RUF001 - other scripts have letters that look like Latin ones

from __future__ import annotations

from typing import NamedTuple


class Language(NamedTuple):
    """First names, family names and streets, and how name and street are put together."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    streets: tuple[str, ...]
    name: str = "{first} {last}"
    street: str = "{street} {house}"


NUMBER_FIRST = "{house} {street}"
FAMILY_FIRST = "{last}{first}"

LANGUAGES = {
    "en": Language(
        ("Olivia", "Liam", "Emma", "Noah", "Ava", "Jack", "Zoë", "Mary-Jane", "D'Angelo"),
        (
            "Smith",
            "O'Brien",
            "Johnson",
            "Clarke-Nguyen",
            "McDonald",
            "Brown",
            "St. John",
            "Li",
            "van Buren",
        ),
        (
            "Main St",
            "Elm Street",
            "Oak Ave",
            "King's Road",
            "Martin Luther King Jr. Blvd",
            "5th Avenue",
            "The Green",
        ),
        street=NUMBER_FIRST,
    ),
    "de": Language(
        ("Jürgen", "Anna", "Björn", "Käthe", "Lukas", "Sophie"),
        ("Müller", "Weiß", "Größe", "von der Heide", "Schäfer", "Öztürk"),
        ("Hauptstraße", "Königsallee", "Am Bühl", "Straße des 17. Juni", "Goethestr."),
    ),
    "fr": Language(
        ("Zoé", "Loïc", "François", "Chloé", "Jean-Noël"),
        ("Lefèvre", "D'Hérouville", "Garçon", "Œuvray", "Dupont"),
        ("rue de l'Église", "avenue des Champs-Élysées", "bd Saint-Michel", "place Bellecour"),
        street="{house}, {street}",
    ),
    "es": Language(
        ("José", "María", "Íñigo", "Begoña", "Martín"),
        ("Núñez", "García López", "Peña", "Ibáñez", "de la Cruz"),
        ("Calle Mayor", "Avenida de la Constitución", "Paseo del Ñandú", "C/ Alcalá"),
        street="{street}, {house}",
    ),
    "pt": Language(
        ("João", "Inês", "Conceição", "Luís"),
        ("Gonçalves", "Magalhães", "da Silva", "Araújo"),
        ("Rua da Prata", "Avenida Paulista", "Praça São João"),
        street="{street}, {house}",
    ),
    "it": Language(
        ("Niccolò", "Giulia", "Noè", "Beatrice"),
        ("Rossi", "D'Agostino", "Forlì", "Esposito"),
        ("Via Garibaldi", "Piazza della Libertà", "Corso Vittorio Emanuele II"),
    ),
    "nl": Language(
        ("Daniël", "Sanne", "IJsbrand", "Noor"),
        ("van den Berg", "de Vries", "'t Hooft", "IJzerman"),
        ("Keizersgracht", "'s-Gravenweg", "Coöperatiestraat"),
    ),
    "nordic": Language(
        ("Åsa", "Søren", "Þórunn", "Väinö", "Bjørk", "Ægir"),
        ("Ångström", "Sørensen", "Guðmundsdóttir", "Hämäläinen", "Østergård"),
        ("Storgatan", "Sankt Pauls Gade", "Hverfisgata", "Mannerheimintie", "Karl Johans gate"),
    ),
    "pl": Language(
        ("Łukasz", "Małgorzata", "Żaneta", "Grześ"),
        ("Wiśniewski", "Brzęczyszczykiewicz", "Źrebiec", "Nowak"),
        ("ul. Świętokrzyska", "al. Jerozolimskie", "os. Złotej Jesieni"),
    ),
    "cs": Language(
        ("Jiří", "Božena", "Šárka", "Ľubomír"),
        ("Dvořák", "Příhoda", "Nováková", "Žižka"),
        ("Václavské náměstí", "Dlouhá třída", "Na Příkopě"),
    ),
    "hu": Language(
        ("Gyöngyi", "Ödön", "Zsófia"),
        ("Szűcs", "Kővári", "Nagy"),
        ("Árpád fejedelem útja", "Petőfi Sándor utca"),
        name="{last} {first}",
    ),
    "ro": Language(
        ("Ștefan", "Ioana", "Mădălina"),
        ("Țurcanu", "Ionescu", "Bălan"),
        ("Strada Știrbei Vodă", "Calea Victoriei"),
    ),
    "tr": Language(
        ("Işıl", "İbrahim", "Çağla", "Ömer"),
        ("Yılmaz", "Şahin", "Gökçe", "Ağaoğlu"),
        ("İstiklal Caddesi", "Bağdat Cd.", "Çınar Sokağı"),
        street="{street} No:{house}",
    ),
    "el": Language(
        ("Γιώργος", "Ελένη", "Άννα"),
        ("Οικονόμου", "Παπαδοπούλου", "Ιωάννου"),
        ("Λεωφόρος Κηφισίας", "Οδός Ερμού"),
    ),
    "ru": Language(
        ("Алёна", "Фёдор", "Мария"),
        ("Щербакова", "Иванов", "Подъячев"),
        ("ул. Ленина", "Невский пр-т", "пер. Хлебный"),
        street="{street}, д. {house}",
    ),
    "uk": Language(
        ("Їжак", "Олена", "Ґалаґан"),
        ("Шевченко", "Ґудзь", "Коваленко"),
        ("вул. Хрещатик", "просп. Перемоги"),
        street="{street}, {house}",
    ),
    "ar": Language(
        ("محمد", "فاطمة", "عليّ"),
        ("الأنصاري", "بن سعود", "حسين"),
        ("شارع الملك فهد", "طريق الشيخ زايد"),
    ),
    "he": Language(
        ("נועה", "יוסף", "שָׂרָה"),
        ("כהן", "לוי", "בן־דוד"),
        ("שדרות רוטשילד", "רחוב הרצל"),
    ),
    "hi": Language(
        ("प्रिया", "अर्जुन", "Ravi", "Ananya"),
        ("शर्मा", "Iyer", "क्षत्रिय"),
        ("महात्मा गांधी मार्ग", "Brigade Road", "लोधी रोड"),
        street="{house}, {street}",
    ),
    "th": Language(
        ("สมชาย", "น้ำฝน"),
        ("ศรีสุข", "แก้วมณี"),
        ("ถนนสุขุมวิท", "ซอยอารีย์"),
        street="{house} {street}",
    ),
    "vi": Language(
        ("Thị Hương", "Văn Đức"),
        ("Nguyễn", "Trần", "Đặng"),
        ("Đường Lê Lợi", "Phố Huế"),
        name="{last} {first}",
        street=NUMBER_FIRST,
    ),
    "id": Language(
        ("Siti", "Budi", "Wayan"),
        ("Wulandari", "Santoso", "bin Abdullah"),
        ("Jalan Jenderal Sudirman", "Orchard Road"),
        street="{street} No. {house}",
    ),
    "ja": Language(
        ("太郎", "さくら", "健一", "ﾕｷ"),
        ("山田", "髙橋", "渡邉", "𠮷野"),
        ("東京都千代田区丸の内", "大阪市北区梅田", "札幌市中央区北１条西"),
        name="{last} {first}",
        street="{street}{house}-1",
    ),
    "ko": Language(
        ("민준", "서연", "지우"),
        ("김", "이", "박"),
        ("세종대로", "강남대로", "테헤란로"),
        name=FAMILY_FIRST,
    ),
    "zh": Language(
        ("伟", "秀英", "小明", "怡君"),
        ("王", "李", "歐陽", "张"),
        ("南京东路", "忠孝東路四段", "皇后大道中"),
        name=FAMILY_FIRST,
        street="{street}{house}號",
    ),
}

ODD_NAMES = (
    "Ada L. ",
    "  Zoë",
    'Robert "Bob" Tables',
    "Marks &amp; Spencer",
    "<script>alert(1)</script>",
    "Love \u2764\ufe0f \U0001f1e9\U0001f1ea",
    "\u202eright to left",
    "Nul\u0000Byte",
    "tab\tand\nnewline",
    "C:\\new\\table",
    "Cafe\u0301 & Caf\u00e9",
    "NULL",
    "X",
    "Very " * 40 + "Long",
)
SECOND_LINES = (
    "Apt. 4B",
    "c/o O'Neil",
    "2. Stock, links",
    "Floor #3",
    "№ 7 ½",
    "بناية ٥",
    "3F",
    "Bât. C",
)
