"""Settings: every one documented, every mistake named, old files brought up to date."""

from pathlib import Path
from typing import Any

import pytest

from idlegrid_server.config import (
    MIGRATIONS,
    VERSION,
    Config,
    ConfigError,
    load_config,
    migrate,
    parse_config,
)
from idlegrid_server.config_text import markdown_text, settings, toml_text

ROOT = Path(__file__).parents[2]


def test_an_empty_file_means_the_defaults() -> None:
    assert parse_config("") == Config()


def test_a_written_file_reads_back_as_the_same_settings() -> None:
    text = """
    version = 1
    [project]
    name = 'The "Spin" \\ project é'
    url = "https://spin.example"
    [web]
    bind = "::"
    port = 1
    trusted_proxies = ["10.0.0.0/8"]
    [dispatch]
    distinct = ["host"]
    [passes]
    sweep_s = 0.5
    """
    config = parse_config(text)
    assert config.project.name == 'The "Spin" \\ project é'
    assert parse_config(toml_text(config)) == config
    assert parse_config(toml_text(Config())) == Config()


def test_every_setting_stands_in_the_written_file_with_its_meaning() -> None:
    text = toml_text(Config())
    for setting in settings():
        assert f"\n{setting.name} = " in text
        assert len(setting.meaning) > 10, f"{setting.name} is not explained"


def test_the_reference_in_the_docs_is_the_one_made_from_the_code() -> None:
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == markdown_text(), (
        "docs/settings.md is out of date: idlegrid-server settings > docs/settings.md"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[web]\nprot = 1", "unknown setting web.prot; known are: bind, port, processes"),
        ("[wob]\n", "unknown setting 'wob'; known are: project, web"),
        ("web = 1", r"web is a section: write \[web\]"),
        ("[web]\nport = '80'", "web.port: Expected `int`, got `str`"),
        ("[web]\nport = 65536", "web.port: Expected `int` <= 65535"),
        ("[limits]\nbatch_units = 5000001", "limits.batch_units: Expected `int` <= 5000000"),
        ("[dispatch]\ndistinct = ['planet']", "dispatch.distinct.* Invalid enum value 'planet'"),
        ("[dispatch]\ndistinct = ['account']", "must contain 'host'"),
        ("[web]\ntls_cert = 'a.pem'", "belong together"),
        ("[project]\nurl = 'ftp://x'", "project.url: "),
        ("[project]\nurl = 'https://x/path'", "project.url: "),
        ("[database]\nurl = 'mysql://x'", "database.url: "),
        ("[project]\nname = ''", "project.name: "),
        ("[web\n", "not valid TOML"),
        ("version = 99", "version 99, this server knows up to 1: update the server"),
        ("version = true", "not a version number"),
        ("version = 0", "not a version number"),
    ],
)
def test_a_mistake_is_named_in_plain_words(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_config(text)


def test_the_file_is_named_with_the_mistake(tmp_path: Path) -> None:
    path = tmp_path / "idlegrid.toml"
    with pytest.raises(ConfigError, match=r"cannot read .*idlegrid\.toml"):
        load_config(path)
    path.write_text("[web]\nport = -1")
    with pytest.raises(ConfigError, match=r"idlegrid\.toml: web\.port"):
        load_config(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(path)


def test_old_files_are_brought_up_step_by_step() -> None:
    def one_to_two(old: dict[str, Any]) -> dict[str, Any]:
        old["web"] = {"port": old.pop("port")}
        return old

    def two_to_three(old: dict[str, Any]) -> dict[str, Any]:
        old["web"]["bind"] = "::1"
        return old

    steps = {1: one_to_two, 2: two_to_three}
    old = {"version": 1, "port": 80}
    assert migrate(old, steps, 3) == {"version": 3, "web": {"port": 80, "bind": "::1"}}
    assert old == {"version": 1, "port": 80}, "what was read was changed"
    assert migrate({"version": 3, "x": 1}, steps, 3) == {"version": 3, "x": 1}


def test_there_is_a_step_for_every_older_version() -> None:
    assert sorted(MIGRATIONS) == list(range(1, VERSION))
