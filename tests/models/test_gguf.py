"""Reading GGUF files fast: what the package's own reader finds, in whole and in damaged files."""

import gguf
import numpy as np
import pytest
from gguf import GGUFEndian, GGUFValueType

from acclimate.models.gguf import GGUFFile

WORDS = ["the", "", "pumpe", "中文", "🙂" * 40]


@pytest.fixture(params=GGUFEndian, ids=lambda order: order.name)
def file(request, tmp_path):
    """A small file with arrays of every kind."""
    writer = gguf.GGUFWriter(tmp_path / "small.gguf", "llama", endianess=request.param)
    writer.add_token_list(WORDS)
    writer.add_token_types([1, 3, 1, 1, 6])
    writer.add_token_scores([0.5, -1.0, 0.0, 2.0, 1e-3])
    writer.add_array("bytes", [1, 2, 255])
    writer.add_array("flags", [True, False])
    writer.add_key_value("wide", [2**40, 7], GGUFValueType.ARRAY, GGUFValueType.UINT64)
    writer.add_chat_template("{{ messages }}")
    writer.add_tensor("token_embd.weight", np.arange(40, dtype=np.float32).reshape(5, 8))
    for write in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
        writer.close,
    ):
        write()
    return tmp_path / "small.gguf"


def told(reader):
    """All that the file says."""
    fields = {
        name: (field.types, field.contents(), [bytes(field.parts[at]) for at in field.data])
        for name, field in reader.fields.items()
    }
    return fields, [(one.name, one.tensor_type, one.data.tolist()) for one in reader.tensors]


def test_it_reads_what_the_packages_reader_reads(file):
    ours = told(GGUFFile(file))
    assert ours == told(gguf.GGUFReader(file))
    assert ours[0]["tokenizer.ggml.tokens"][1] == WORDS
    assert ours[0]["wide"][1] == [2**40, 7]


def test_a_file_that_ends_too_early_is_damaged_wherever_it_ends(file):
    whole = file.read_bytes()
    start = GGUFFile(file).tensors[0].data_offset
    for end in range(start):
        file.write_bytes(whole[:end])
        with pytest.raises((ValueError, IndexError)):
            GGUFFile(file)


def test_a_count_beyond_the_file_is_damage(file):
    whole = file.read_bytes()
    field = GGUFFile(file).fields["tokenizer.ggml.tokens"]
    place = field.offset + 8 + len(field.name) + 4 + 4  # length, name, type, type of values
    file.write_bytes(whole[:place] + b"\x7f" * 8 + whole[place + 8 :])
    with pytest.raises(ValueError, match="ends within the array"):
        GGUFFile(file)
