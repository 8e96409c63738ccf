"""The profile of a data set as text, to the character."""

from __future__ import annotations

import pytest

from ftcli.cli.profile import show_profile
from ftcli.data.findings import Finding
from ftcli.data.profile import Lengths, Numbers, Overlap, Profile, SplitProfile, TokenLengths
from tests.cli.test_results import printed

LENGTHS = Lengths(unit="characters", p50=26, p90=44, p95=55, p99=88, max=1211)
TOKENS = TokenLengths(
    unit="tokens", p50=20, p90=40, p95=50, p99=80, max=300, max_length=128, cut=12, unknown=3, pieces=9000
)


def split(rows: int, **changes: object) -> SplitProfile:
    values: dict[str, object] = {
        "rows": rows,
        "labelled": 0,
        "label_counts": {},
        "majority_label": None,
        "majority_share": None,
        "lengths": LENGTHS,
        "duplicates": 0,
        "overlap": {},
    }
    return SplitProfile.model_validate({**values, **changes})


def test_a_profile_at_80_columns() -> None:
    train = split(
        34334,
        labelled=34334,
        label_counts={"不同": 23761, "相同": 10573},
        majority_label="不同",
        majority_share=23761 / 34334,
        tokens=TOKENS,
        duplicates=5,
        overlap={"test": Overlap(same=3, swapped=1)},
    )
    profile = Profile(name="afqmc", splits={"train": train, "test": split(3861)})
    assert printed(lambda console: show_profile(console, profile)) == [
        "afqmc  38,195 rows in 2 splits",
        "split    rows  labelled  duplicates  majority baseline",
        "train  34,334    34,334           5  0.6921 (always 不同)",
        "test    3,861         0           0  -",
        "",
        "label   train  share",
        "不同   23,761    69%",
        "相同   10,573    31%",
        "",
        "length of  in          median    90%    95%    99%  longest  unknown",
        "train      characters      26     44     55     88    1,211",
        "train      tokens          20     40     50     80      300    0.03%",
        "test       characters      26     44     55     88    1,211",
        "",
        "rows of  also in  as they are  with texts swapped",
        "train    test               3                   1",
    ]


def test_a_profile_without_labels_or_repeats_says_so_briefly() -> None:
    overlap = {"test": Overlap(same=0, swapped=0)}
    profile = Profile(name="mine", splits={"train": split(2, overlap=overlap), "test": split(1)})
    lines = printed(lambda console: show_profile(console, profile))
    assert lines[-1] == "no row stands in more than one split"
    assert not any(line.startswith("label") for line in lines)


def test_rare_labels_are_counted_where_they_are_many() -> None:
    counts = {f"label {number}": number + 1 for number in range(25)}
    train = split(325, labelled=325, label_counts=counts, majority_label="label 24", majority_share=25 / 325)
    lines = printed(lambda console: show_profile(console, Profile(name="mine", splits={"train": train})))
    assert lines[5] == "label 24     25     8%"
    assert "and 5 rarer labels" in lines
    assert not any(line.startswith("label 4 ") for line in lines)


def test_numbers_stand_where_labels_would() -> None:
    numbers = Numbers(min=1, mean=2.5, max=5, baseline_mse=1.25)
    lines = printed(
        lambda console: show_profile(console, Profile(name="mine", splits={"train": split(2, numbers=numbers)}))
    )
    assert lines[1:6] == [
        "split  rows  labelled  duplicates",
        "train     2         0           0",
        "",
        "numbers of  least  mean  most  mse of train's mean",
        "train           1   2.5     5                 1.25",
    ]


TAGGED = {
    "train": split(3821, words=124_099, entities={"CONT": 260, "ORG": 4611, "职务": 6308}),
    "test": split(477, words=15_100, entities={"ORG": 553, "职务": 772}),
}


def test_a_tagged_data_set_shows_sentences_words_and_entities_by_type() -> None:
    lines = printed(lambda console: show_profile(console, Profile(name="resume", splits=TAGGED)))
    assert lines[1:8] == [
        "split  sentences    words  entities  duplicates",
        "train      3,821  124,099    11,179           0",
        "test         477   15,100     1,325           0",
        "",
        "entity  train  share  test  share",
        "CONT      260     2%     0     0%",
        "ORG     4,611    41%   553    42%",
    ]


LEAK = Finding(
    code="leak",
    severity="warning",
    split="test",
    count=71,
    text="71 rows of test (4.1%) stand in train too. What a model knows by heart can lift the test score by 4.1 points",
    advice="leave them out of train; leaks.jsonl lists them",
)
HELD = Finding(code="holdout", severity="note", split="validation", count=408, text="408 rows were held out")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_findings_are_folded_under_themselves_the_warnings_first(width: int) -> None:
    profile = Profile(name="mine", splits={"train": split(2)}, findings=(HELD,), recipe_findings=(LEAK,))
    lines = printed(lambda console: show_profile(console, profile), width)
    found = lines[lines.index("findings") + 1 :]
    assert found[0].startswith("warning     71 rows of test (4.1%)")
    assert found[-1] == "note        408 rows were held out"
    assert all(line.startswith(" " * 12) for line in found[1:-1])
    assert " ".join(" ".join(found).split()).startswith(f"warning {LEAK.text} {LEAK.advice} note")
