"""The installer decides rightly from what it reads, and what `make setup` installed is whole and new enough."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.dataplane import install
from tidegate.dataplane.install import assembly, debversion, installed, machine, parts, probe

# --- Versions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.26.3-3+deb13u9", "1.26.3-3+deb13u11"),
        ("1.26.3-3", "1.26.3-3+deb13u1"),
        ("1.22.1-9", "1.26.3-3+deb13u11"),
        ("0.10.29-1", "1:0.10.28-2"),
        ("3.5.7~rc1-1", "3.5.7-1~deb13u3"),
        ("3.5.7-1~deb13u3", "3.5.7-1"),
        ("2.1.0~beta3", "2.1.0+openresty20250117-2"),
        ("1.0a", "1.0+"),
        ("1.0", "1.0a"),
    ],
)
def test_versions_are_ordered_as_debian_orders_them(older: str, newer: str) -> None:
    assert debversion.compare(older, newer) == -1
    assert debversion.compare(newer, older) == 1
    assert debversion.compare(newer, newer) == 0


version = st.from_regex(r"([0-9]:)?[0-9][0-9a-c.+~]{0,6}(-[0-9a-c.+~]{1,4})?", fullmatch=True)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="there is no dpkg to compare with")
@settings(deadline=None)  # it starts a program
@given(left=version, right=version)
def test_versions_are_ordered_as_dpkg_orders_them(left: str, right: str) -> None:
    relation = {-1: "lt", 0: "eq", 1: "gt"}[debversion.compare(left, right)]
    assert subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False).returncode == 0


def test_the_upstream_version_has_no_packaging_marks() -> None:
    assert debversion.upstream("1:0.10.28-2") == "0.10.28"
    assert debversion.upstream("1.26.3-3+deb13u11") == "1.26.3"
    assert debversion.upstream("3.5.7-1~deb13u3") == "3.5.7"
    assert debversion.upstream("2.1.0+openresty20250117-2") == "2.1.0"


# --- The machine ------------------------------------------------------------------------------------------------

STANZAS = """\
# Written by the installer
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
 non-free
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
Enabled: no
URIs: http://disabled.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


def test_sources_are_read_from_stanzas(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(STANZAS)
    assert machine.sources(tmp_path) == machine.Sources(
        "http://mirror.example/debian", "http://mirror.example/debian-security"
    )


def test_sources_are_read_from_single_lines(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "deb-src http://sources.example/debian trixie main\n"
        "# deb http://commented.example/debian trixie main\n"
        "deb [arch=amd64 signed-by=/k.gpg] https://mirror.example/debian stable main contrib # yes\n"
        "deb https://mirror.example/debian-security stable-security main\n"
    )
    assert machine.sources(tmp_path) == machine.Sources(
        "https://mirror.example/debian", "https://mirror.example/debian-security"
    )


def test_other_vendors_and_dead_media_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "deb cdrom:[Debian]/ bookworm main\n"
        "deb http://vendor.example/apt nodistro main\n"
        "deb http://mirror.example/debian bookworm-backports main\n"
        "deb http://mirror.example/nonfree bookworm non-free\n"
        "deb http://mirror.example/debian bookworm main\n"
        "deb http://security.example bookworm-security main\n"
    )
    assert machine.sources(tmp_path).archive == "http://mirror.example/debian"


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", "archive"),
        ("deb http://mirror.example/debian trixie main\n", "security archive"),
        ("deb http://mirror.example/ubuntu noble main\n", "archive"),
    ],
)
def test_missing_sources_are_named(tmp_path: Path, text: str, missing: str) -> None:
    (tmp_path / "sources.list").write_text(text)
    with pytest.raises(install.UnknownSources, match=f"Debian's {missing} "):
        machine.sources(tmp_path)


def test_the_derived_sources_are_those_of_debian_13() -> None:
    text = machine.Sources("http://a.example", "http://s.example").text("arm64", Path("/k.gpg"))
    assert [line for line in text.splitlines() if line.startswith(("URIs", "Suites"))] == [
        "URIs: http://a.example",
        "Suites: trixie",
        "URIs: http://s.example",
        "Suites: trixie-security",
    ]
    assert text.count("Signed-By: /k.gpg") == text.count("Architectures: arm64") == 2


def test_an_unknown_processor_is_refused_by_its_name() -> None:
    assert machine.architecture("aarch64").debian == "arm64"
    with pytest.raises(install.InstallError, match="riscv64"):
        machine.architecture("riscv64")


def test_the_cache_folder_follows_the_environment() -> None:
    home = {"HOME": "/home/ada"}
    assert machine.cache_folder(home) == Path("/home/ada/.cache/tidegate")
    assert machine.cache_folder(home | {"XDG_CACHE_HOME": "/c"}) == Path("/c/tidegate")
    assert machine.cache_folder(home | {"XDG_CACHE_HOME": "/c", "TIDEGATE_CACHE": "/t"}) == Path("/t")


# --- Finding ----------------------------------------------------------------------------------------------------


def made(folder: Path, packages: dict[str, str] | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / installed.MANIFEST).write_text(installed.manifest_text("x86_64", packages or {}))
    return folder


def test_an_installation_is_found_through_the_link(tmp_path: Path) -> None:
    folder = made(tmp_path / "nginx-1", {"nginx": "1"})
    (tmp_path / "nginx").symlink_to("nginx-1")
    found = install.find({"TIDEGATE_CACHE": str(tmp_path)})
    assert found.prefix == folder
    assert found.packages == {"nginx": "1"}


def test_an_override_wins(tmp_path: Path) -> None:
    folder = made(tmp_path / "elsewhere")
    variables = {"TIDEGATE_CACHE": str(tmp_path), "TIDEGATE_NGINX_PREFIX": str(folder)}
    assert install.find(variables).prefix == folder


def test_a_missing_installation_tells_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(install.NotInstalled, match="make setup"):
        install.find({"TIDEGATE_CACHE": str(tmp_path)})
    with pytest.raises(install.NotInstalled, match="TIDEGATE_NGINX_PREFIX"):
        install.find({"TIDEGATE_NGINX_PREFIX": str(tmp_path / "none")})


def test_a_manifest_of_another_format_counts_as_none(tmp_path: Path) -> None:
    manifest = made(tmp_path / "nginx") / installed.MANIFEST
    manifest.write_text(json.dumps({"format": 0}))
    with pytest.raises(install.NotInstalled, match="another version"):
        install.find({"TIDEGATE_CACHE": str(tmp_path)})


def test_a_torn_manifest_is_a_broken_installation(tmp_path: Path) -> None:
    (made(tmp_path / "nginx") / installed.MANIFEST).write_text("{")
    with pytest.raises(install.BrokenInstallation, match="remove"):
        install.find({"TIDEGATE_CACHE": str(tmp_path)})


@pytest.mark.parametrize("name", ["a b", "a;b", 'a"b', "a$b", "a{b", "a'b", "a\nb", "a\\b", "a?b"])
def test_a_folder_that_could_not_stand_in_nginx_conf_is_refused(tmp_path: Path, name: str) -> None:
    made(tmp_path / name / "nginx")
    with pytest.raises(install.InstallError, match="TIDEGATE_CACHE"):
        install.find({"TIDEGATE_CACHE": str(tmp_path / name)})


# --- Judging ----------------------------------------------------------------------------------------------------

ENOUGH = install.Versions(
    nginx="1.26.3",
    lua_module="0.10.28",
    luajit="LuaJIT 2.1.1737090214",
    resty_core="0.1.31",
    openssl="3.5.7",
    built_with="",
    packages=dict(install.MINIMUM_PACKAGES),
)


def test_the_least_versions_are_enough() -> None:
    install.check_minimum(ENOUGH)


@pytest.mark.parametrize("package", sorted(install.MINIMUM_PACKAGES))
def test_an_older_or_missing_package_is_refused(package: str) -> None:
    older = dataclasses.replace(ENOUGH, packages=install.MINIMUM_PACKAGES | {package: "0.9-1"})
    with pytest.raises(install.TooOld, match=f"{package} is 0.9-1"):
        install.check_minimum(older)
    rest = {name: least for name, least in install.MINIMUM_PACKAGES.items() if name != package}
    with pytest.raises(install.TooOld, match=f"{package} is missing"):
        install.check_minimum(dataclasses.replace(ENOUGH, packages=rest))


def test_what_is_loaded_counts_whatever_the_packages_say() -> None:
    with pytest.raises(install.TooOld, match=r"nginx runs as 1\.22\.1"):
        install.check_minimum(dataclasses.replace(ENOUGH, nginx="1.22.1"))
    with pytest.raises(install.TooOld, match=r"libssl3t64 runs as 3\.0\.17"):
        install.check_minimum(dataclasses.replace(ENOUGH, openssl="3.0.17"))


def test_libraries_of_the_machine_are_told_from_those_inside() -> None:
    listed = [
        "\tlinux-vdso.so.1 (0x00007fff)",
        "\tlibz.so.1 => /c/nginx/usr/lib/libz.so.1 (0x00007f)",
        "\tlibssl.so.3 => /usr/lib/libssl.so.3 (0x00007f)",
        "\tlibgone.so.1 => not found",
    ]
    assert assembly._strangers(listed, Path("/c/nginx")) == ["libssl.so.3", "libgone.so.1"]


def test_the_folder_is_named_for_its_versions() -> None:
    packages = {"nginx": "1.26.3-3+deb13u11", "libnginx-mod-http-lua": "1:0.10.28-2", "libc6": "2.41-12"}
    name = assembly._folder_name(parts.NGINX, packages)
    assert name.startswith("nginx-1.26.3-3+deb13u11-0.10.28-2-")
    assert name != assembly._folder_name(parts.NGINX, packages | {"libc6": "2.41-13"})


# --- What `make setup` installed ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> install.Installation:
    return install.find()


@pytest.fixture(scope="module")
def loaded(real: install.Installation) -> install.Versions:
    return install.versions(real)


def test_the_installed_data_plane_is_new_enough(loaded: install.Versions) -> None:
    install.check_minimum(loaded)


def test_it_loads_what_was_packaged(loaded: install.Versions) -> None:
    """No library of the machine slips in: what runs is what the packages say."""
    assert loaded.nginx == debversion.upstream(loaded.packages["nginx"])
    assert loaded.lua_module == debversion.upstream(loaded.packages["libnginx-mod-http-lua"])
    assert loaded.openssl == debversion.upstream(loaded.packages["libssl3t64"])
    assert loaded.resty_core == debversion.upstream(loaded.packages["lua-resty-core"])
    assert loaded.luajit.startswith("LuaJIT 2.1.")
    assert "--with-http_v2_module" in loaded.built_with


def test_the_stream_module_and_cjson_load(real: install.Installation, tmp_path: Path) -> None:
    conf = tmp_path / "nginx.conf"
    conf.write_text(
        "\n".join(
            [
                *real.module_lines(),
                f"pid {tmp_path}/nginx.pid;",
                "events { }",
                "stream { server { listen unix:pass.sock; ssl_preread on; return ''; } }",
                f"http {{ include {real.mime_types}; lua_package_path '{real.lua_path}';",
                f"lua_package_cpath '{real.lua_cpath}'; access_log off;",
                *(f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi")),
                f"client_body_temp_path {tmp_path}/body; }}",
            ]
        )
    )
    argv = [*real.nginx_argv(), "-t", "-p", str(tmp_path), "-c", str(conf), "-e", "stderr"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("part", "command", "says"),
    [
        (install.NGINX, ["nginx", "-v"], "nginx/1."),
        (install.TOOLS, ["luacheck", "--version"], "Luacheck"),
        (install.TOOLS, ["wrk", "--version"], "wrk"),
        (install.TOOLS, ["h2load", "--version"], "nghttp2"),
        (install.TOOLS, ["lua5.1", "-v"], "Lua 5.1"),
    ],
)
def test_the_commands_run_from_anywhere(
    part: install.Part, command: list[str], says: str, tmp_path: Path
) -> None:
    name, *words = command
    link = tmp_path / name
    link.symlink_to(install.find_part(part).prefix / "bin" / name)
    done = subprocess.run([link, *words], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert says in done.stdout + done.stderr


def test_the_folder_is_readable_for_workers_of_another_user(real: install.Installation) -> None:
    for path in (real.prefix, real.module_dir, real.prefix / "usr/share/lua/5.1/resty/core.lua"):
        assert path.stat().st_mode & 0o004


def test_installing_again_does_nothing(real: install.Installation) -> None:
    said: list[str] = []
    assert install.install(said.append) == real
    assert said == []


def test_an_overridden_installation_is_never_replaced(
    real: install.Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path))
    monkeypatch.setenv("TIDEGATE_NGINX_PREFIX", str(real.prefix))
    assert install.install(lambda _: None, upgrade=True) == real
    monkeypatch.setenv("TIDEGATE_NGINX_PREFIX", str(made(tmp_path / "old", {"nginx": "1.22.1-9"})))
    with pytest.raises(install.TooOld):
        install.install(lambda _: None)


def test_the_installer_needs_nothing_but_python() -> None:
    """With neither site-packages nor the environment's paths it still answers."""
    program = (
        f"import sys; sys.path.insert(0, {str(source())!r});"
        "import tidegate.dataplane.install.__main__ as m; sys.exit(m.main(['--present']))"
    )
    assert subprocess.run([sys.executable, "-I", "-S", "-c", program], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_that_install_at_once_leave_one_installation(tmp_path: Path) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "TIDEGATE_NGINX_PREFIX"}
    variables |= {"TIDEGATE_CACHE": str(tmp_path), "PYTHONPATH": str(source())}
    argv = [sys.executable, "-m", "tidegate.dataplane.install", "nginx"]
    running = [
        subprocess.Popen(argv, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert sum("unpacking" in text for text in said) == 1
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".lock", "nginx", (tmp_path / "nginx").resolve().name]


def test_a_failed_installation_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> machine.Sources:
        return machine.Sources(f"file:{tmp_path}/none", f"file:{tmp_path}/none")

    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "sources", nowhere)
    with pytest.raises(install.PackagesFailed, match="apt-get"):
        install.install(lambda _: None)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_program_that_does_not_run_is_a_broken_installation(tmp_path: Path) -> None:
    empty = installed.at(made(tmp_path / "empty"), "")
    with pytest.raises(install.BrokenInstallation, match="does not run"):
        probe.versions(empty)


def source() -> Path:
    return Path(install.__file__).parents[3]
