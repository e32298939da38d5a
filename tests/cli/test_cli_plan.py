"""`demagnify plan`."""


def test_a_plan_says_hours_memory_and_where_that_was_measured(run):
    ended = run("plan", "--images", "1e8", "--cores", "64")
    assert ended.code == 0
    assert "100,000,000 photographs on 64 cores" in ended.out
    assert "detect" in ended.out
    assert " days)" in run("plan", "--images", "1e9", "--cores", "64").out
    assert run("plan", "--images", "10", "--max-pixels", "9999").code == 2
    assert max(map(len, ended.lines)) <= 80
    assert "measured on" in ended.sentences[-1]


def test_gpus_that_nobody_measured_and_no_photographs_are_refused(run):
    ended = run("plan", "--images", "100", "--gpus", "2")
    assert (ended.code, len(ended.complaints)) == (1, 1)
    assert "--costs" in ended.err
    assert run("plan", "--images", "0").code == 2
