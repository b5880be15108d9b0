import zipfile

from acclimate.documents.parsers import parse

OFFICE = "urn:oasis:names:tc:opendocument:xmlns:"
STYLES = (
    '<o:automatic-styles><t:list-style s:name="L">'
    '<t:list-level-style-number t:level="1" s:num-format="1" s:num-suffix="."/>'
    '<t:list-level-style-number t:level="2" s:num-format="a" s:num-suffix=")" t:display-levels="2"/>'
    "</t:list-style></o:automatic-styles>"
)


def read(tmp_path, body):
    names = f'xmlns:o="{OFFICE}office:1.0" xmlns:t="{OFFICE}text:1.0" xmlns:s="{OFFICE}style:1.0"'
    content = f"<o:document-content {names}>{STYLES}<o:body><o:text>{body}</o:text></o:body></o:document-content>"
    with zipfile.ZipFile(tmp_path / "a.odt", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", content)
    return parse(tmp_path / "a.odt", "a.odt").text


def item(*texts, more="", **attributes):
    given = "".join(f' t:{name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return (
        f"<t:list-item{given}>{''.join(f'<t:p>{text}</t:p>' for text in texts)}{more}</t:list-item>"
    )


def test_items_are_numbered_level_by_level_and_their_further_paragraphs_are_not(tmp_path):
    inner = f"<t:list>{item('brush')}{item('sand')}</t:list>"
    body = f'<t:list t:style-name="L">{item("clean", "Take care.", more=inner)}{item("paint")}</t:list>'
    assert read(tmp_path, body).split("\n") == [
        "1. clean",
        "Take care.",
        "1.a) brush",
        "1.b) sand",
        "2. paint",
    ]


def test_a_list_starts_anew_unless_it_goes_on(tmp_path):
    first = f'<t:list t:style-name="L">{item("a")}{item("b")}</t:list><t:p>then</t:p>'
    on = f'<t:list t:style-name="L" t:continue-numbering="true">{item("c")}</t:list><t:p>then</t:p>'
    again = f'<t:list t:style-name="L">{item("d")}{item("e", start_value=9)}</t:list>'
    lines = [
        line for line in read(tmp_path, first + on + again).split("\n") if line and line != "then"
    ]
    assert lines == ["1. a", "2. b", "3. c", "1. d", "9. e"]


def test_a_list_of_no_style_has_bullets(tmp_path):
    assert read(tmp_path, f"<t:list>{item('a')}{item('b')}</t:list>") == "- a\n- b"
