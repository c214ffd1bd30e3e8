"""Commands on datasets: `data`, `prepare`, `show-augmentation`."""

import pytest

from fer_bench.core.errors import UserError


def test_show_augmentation(run, tmp_path, few_synthetic_samples):
    file = tmp_path / "strong.png"
    output = run("show-augmentation", "strong,mixup=0.2", "--dataset", "synthetic", "--output", file)
    assert output.strip() == str(file)
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("policy", "dataset", "words"),
    [
        ("strng", "synthetic", "Did you mean 'strong'"),
        ("strong,mixup", "synthetic", "mixup=0.2"),
        ("strong,mixing=1", "synthetic", "Did you mean 'augmentation.mixup'"),
        ("light", "synthetic_sequences", "sequences"),
    ],
)
def test_show_augmentation_rejects_invalid_arguments(run, tmp_path, few_synthetic_samples, policy, dataset, words):
    with pytest.raises(UserError, match=words):
        run("show-augmentation", policy, "--dataset", dataset, "--output", tmp_path / "no.png")
    assert not list(tmp_path.iterdir())


def test_prepare_counts_sequences(run, few_synthetic_samples):
    assert "49 sequences of 8 frames of 48×48" in run("prepare", "synthetic_sequences")


def test_data_list(run, tmp_path):
    output = run("data", "list", "synthetic", "--data-dir", tmp_path)
    assert "synthetic  built in" in output and "1,960" in output


def test_data_list_of_a_missing_dataset_exits_with_1(run, tmp_path):
    for output in (
        run("data", "list", "jaffe", "--data-dir", tmp_path, status=1),
        run("data", "--data-dir", tmp_path, "list", "jaffe", status=1),
    ):
        assert "JAFFE was not found" in output and str(tmp_path) in output
    with pytest.raises(UserError, match="no folder or file"):
        run("data", "--data-dir", tmp_path / "missing")


def test_archives_that_cannot_be_read_are_named(run, tmp_path, few_synthetic_samples):
    (tmp_path / "fer2013.rar").write_bytes(b"Rar!\x1a\x07\1\0")
    assert "RAR" in run("data", "list", "fer2013", "--data-dir", tmp_path, status=1)
    assert "unrar" in run("data", "--data-dir", tmp_path)


def test_data_without_command_lists_all(run, tmp_path, few_synthetic_samples):
    output = run("data", "--data-dir", tmp_path)
    assert "synthetic_sequences  built in" in output and "fer2013" in output.splitlines()[-2]


def test_unreadable_data_exits_with_1(run, tmp_path):
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n0,1,Training\n")
    output = run("data", "list", "fer2013", "--data-dir", tmp_path, status=1)
    assert "line 2: 1 pixels instead of 2304" in output


def test_data_download_prints_instructions(run, tmp_path):
    output = run("data", "download", "JAFFE", "--data-dir", tmp_path, status=1)
    assert "agreement" in output and "KA.AN1.39.tiff" in output
    with pytest.raises(UserError, match="nothing to download"):
        run("data", "download", "synthetic")


def test_prepare_skips_invalid_rows(run, tmp_path):
    good = "0," + " ".join(["7"] * 2304) + ",Training"
    (tmp_path / "fer2013.csv").write_text(f"emotion,pixels,Usage\n{good}\n0,1,Training\n")
    with pytest.raises(UserError, match="line 3"):
        run("prepare", "fer2013", "--data-dir", tmp_path)
    assert "fer2013: 1 images" in run("prepare", "fer2013", "--data-dir", tmp_path, "--skip-invalid")
