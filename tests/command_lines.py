"""Hypothesis strategies for odd command lines: keys with odd values, misspelled keys, odd folders."""

from __future__ import annotations

from hypothesis import strategies as st
from terminal import TINY

from dropbench.config.options import GROUPS, options


def _words(*lines: str) -> list[str]:
    return [word for line in lines for word in line.split()]


# `data.download` is left out because it would access the internet.
KEYS = _words(
    "model model.name model.widths model.activation model.batch_norm dropout dropout.rate dropout.rates dropout.placement",
    "dropout.version dropout.schedule dropout/schedule dropout.schedule.name data data.n_train data.val_fraction data.root",
    "data.test_fraction data.split_seed data.label_noise data._target_ train train.epochs train.batch_size train.optimizer",
    "train.lr train.momentum train.weight_decay train.schedule train.warmup_epochs train.step_every train.step_factor",
    "train.step_first train.label_smoothing train.max_norm train.grad_clip train.patience train.monitor train.restore_best",
    "train.class_weights train.cycles",
    "train.eval_every train.precision train.augment train.augment.crop train.augment.flip train.loggers eval eval.mode",
    "eval.passes metric metric.loss metric.loss.name metric.accuracy.region metric.ood.against study study.seed study.arms",
    "study.baseline study.question seed device results execute execute.workers execute.threads execute.cohort hydra",
)
NUMBERS = _words(
    "0 1 2 3 -1 0.5 0.999 1e-320 1e309 -1e309 1000000000000 9223372036854775808 1e30 nan -inf 0x10 1_0 1e5 7"
)
SWEEPS = _words(
    "0,1 a,b range(0,3) range(0,1000000000) range(0,0) range(0,1,0) range(1,0,-0.1) range(nan) range(0,1e309) choice(1,2)",
    "choice() choice(range(3)) glob(*) glob(**) glob([a*,m*]) glob(*,exclude=*) interval(0,1) sort(3,1,2) shuffle(1,2) ,,",
    "shuffle(range(0,1000000000)) sort(range(0,10),reverse=true) tag(a,1) str(1) int(x) float([1,2]) bool(3) f(x) (1,2)",
)
SYNTAX = _words(
    "[] [[]] [1,[2,{a:b}]] [1 1] {} {a:} {a:1,a:2} {'x':nan} {1:2} {_target_:os.system} '' ' , ~ ??? null - -- + a,,b",
    '{"*":0.5} "" " ${seed} ${oc.env:HOME} ${oc.env:NO,1} ${oc.decode:[} ${nothing} ${..} ${ $ \\ \\, a\\=b = == : ; # % @ &',
)
WORDS = _words(
    "../.. /dev/null ~/x été 数 true FALSE None | && `id` $(id) mlp cnn gcn wine digits standard none three_arm loss accuracy",
    "[loss,accuracy] [loss,loss] [loss,missing] [loss,ood] deterministic mc auto cpu cuda:7 [csv,tensorboard] val_accuracy",
)
ODD = [
    "",
    " ",
    "a b",
    "a\tb",
    "a\nb",
    "\x1b[2J",
    "\x00",
    "\udcff",
    "\u202e",
    "{'x y': nan}",
    "{a: 1, b: [2]}",
    "9" * 5000,
]

TEXT = (
    st.text(max_size=12)
    | st.text("[]{}(),:='\"\\$~+@/.* \n", max_size=10)
    | st.builds(lambda c, n: c * n, st.sampled_from('[({a1,."'), st.sampled_from([50, 3000]))
)
ATOMS = st.sampled_from([*NUMBERS, *SWEEPS, *SYNTAX, *WORDS, *ODD])
VALUES = (
    ATOMS
    | TEXT
    | st.lists(ATOMS, max_size=3).map(",".join)
    | st.lists(ATOMS, max_size=3).map(lambda v: f"[{','.join(v)}]")
    | st.lists(st.tuples(ATOMS, ATOMS), max_size=2).map(lambda v: "{" + ", ".join(f"{a}: {b}" for a, b in v) + "}")
)


@st.composite
def keys(draw: st.DrawFn) -> str:
    """Draw a key, or a variation of one."""
    key = draw(st.sampled_from(KEYS))
    how = draw(st.sampled_from(["as it is"] * 12 + ["typo", "prefix", "package", "deeper", "random"]))
    if how == "typo":
        at = draw(st.integers(0, len(key)))
        return key[:at] + draw(st.sampled_from(["", "x", ".", "/", "_", " ", "é"])) + key[at + 1 :]
    others = {
        "prefix": st.sampled_from(["+", "++", "~", "+++", "-"]).map(lambda prefix: prefix + key),
        "package": st.sampled_from(KEYS).map(lambda package: f"{key}@{package}"),
        "deeper": st.sampled_from([".x", ".0", "._target_", ".name"]).map(lambda end: key + end),
        "random": TEXT,
    }
    return draw(others.get(how, st.just(key)))


HOSTILE = st.builds("{}={}".format, keys(), VALUES)
SANE = st.sampled_from(
    [f"{g}={o}" for g in GROUPS for o in options(g)]
    + ["seed=0,1", "eval.mode=mc", "dropout.rate=0.1", "train.optimizer=sgd"]
)
OVERRIDES = st.builds(
    lambda sane, hostile: [*dict.fromkeys(sane), *hostile],
    st.lists(SANE, max_size=2),
    st.lists(HOSTILE, min_size=1, max_size=1) | st.lists(HOSTILE | TEXT, max_size=3),
)
FOLDERS = st.sampled_from(
    ["results", ".", "nowhere", "results/runs", "results/plans", "file", "a;b", "été (x)", "~", ""]
)


def _flat(flags: list[tuple[str, ...]]) -> list[str]:
    return [word for flag in flags for word in flag]


FLAGS = st.lists(
    st.sampled_from(
        [("--json",), ("-q",), ("--jsn",), ("--max-runs", "3"), ("--max-runs", "x"), ("--max-runs", "-1"), ("--",)]
    )
    | st.tuples(st.just("--conf"), FOLDERS),
    max_size=1,
).map(_flat)
CONDITIONS = st.builds("{}{}{}".format, keys(), st.sampled_from(["<", "<=", "=", "!=", ">", " ", "~"]), ATOMS)
REPORTED = st.lists(
    st.tuples(
        st.sampled_from(["--where", "--rows", "--cols", "--metric", "--baseline", "--rope", "--about", "--format"]),
        st.sampled_from(KEYS) | ATOMS | TEXT | CONDITIONS,
    )
    | st.sampled_from([("--wide",), ("-q",)])
    | st.tuples(st.just("--format"), st.sampled_from(["csv", "json", "markdown", "latex"])),
    max_size=2,
).map(_flat)
REPORT_WORDS = st.lists(FOLDERS, max_size=2) | st.lists(st.just("results") | CONDITIONS | TEXT, max_size=2)

LINES = st.one_of(
    st.builds(lambda words, flags: ["train", "--cfg", *flags, *words], OVERRIDES, FLAGS),
    st.builds(lambda words, flags: ["sweep", "--dry-run", *flags, *TINY, *words], OVERRIDES, FLAGS),
    st.builds(lambda words, flags: ["sweep", "--dry-run", *flags, *words], OVERRIDES, FLAGS),
    st.builds(lambda words, flags: ["report", *flags, *words], REPORT_WORDS, REPORTED),
    st.builds(lambda word, flags: ["list", word, *flags], st.sampled_from(["models", "variants"]) | ATOMS, FLAGS),
    st.lists(TEXT, max_size=2),
)
"""Arguments of dropbench. None of them trains, writes to an arbitrary folder or waits for input."""
