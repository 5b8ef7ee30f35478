"""The deployment files: well formed, secrets from outside, probes and options that exist, vLLM reached by the gateway alone."""

import re
import shutil
import subprocess

import pytest
import yaml

SECRET = re.compile(r"(api[_-]?key|password|token|secret)", re.IGNORECASE)


@pytest.fixture(scope="module")
def deploy(repository):
    return repository / "deploy"


@pytest.fixture(scope="module")
def objects(deploy):
    found = [
        one
        for file in sorted((deploy / "kubernetes").glob("*.yaml"))
        for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    ]
    return {(one["kind"], one.get("metadata", {}).get("name", "")): one for one in found}


@pytest.fixture(scope="module")
def options():
    """The options of `osler serve`."""
    from typer.main import get_command

    from osler.cli.app import app

    command = get_command(app).commands["serve"]
    return {name for parameter in command.params for name in parameter.opts}


def container(objects, name):
    (found,) = objects["Deployment", name]["spec"]["template"]["spec"]["containers"]
    return found


def test_every_option_that_the_files_give_exists(deploy, objects, options):
    compose = yaml.safe_load((deploy / "compose.yaml").read_text(encoding="utf-8"))
    service = (deploy / "osler.service").read_text(encoding="utf-8")
    given = [
        *container(objects, "gateway")["args"],
        *compose["services"]["gateway"]["command"],
        *re.search(r"ExecStart=(.*)", service).group(1).split(),
    ]
    named = {one.partition("=")[0] for one in given if one.startswith("--")}
    assert {"--upstream", "--runs", "--allow-remote", "--replica", "--metrics-port"} <= named
    assert named <= options


def test_probes_ask_paths_that_the_gateway_has(objects):
    gateway = container(objects, "gateway")
    assert gateway["livenessProbe"]["httpGet"]["path"] == gateway["startupProbe"]["httpGet"]["path"] == "/livez"
    assert gateway["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert gateway["ports"][0]["containerPort"] == 8710
    assert {container(objects, "vllm")[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {
        "/health"
    }


def test_secrets_come_from_outside(deploy, objects):
    compose = yaml.safe_load((deploy / "compose.yaml").read_text(encoding="utf-8"))
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            assert not SECRET.search(name) or value.startswith("${"), name
    for name in ("gateway", "vllm"):
        for variable in container(objects, name)["env"]:
            if SECRET.search(variable["name"]):
                assert "secretKeyRef" in variable["valueFrom"], variable["name"]


def test_the_model_is_reached_by_the_gateway_alone(deploy, objects):
    compose = yaml.safe_load((deploy / "compose.yaml").read_text(encoding="utf-8"))
    assert "ports" not in compose["services"]["vllm"]
    assert compose["services"]["vllm"]["networks"] == ["inner"]
    assert compose["networks"]["inner"]["internal"] is True
    assert all(port.startswith("127.0.0.1:") for port in compose["services"]["gateway"]["ports"])
    assert objects["NetworkPolicy", "nothing"]["spec"]["podSelector"] == {}
    (rule,) = objects["NetworkPolicy", "vllm"]["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app": "gateway"}}}]
    assert "egress" not in objects["NetworkPolicy", "vllm"]["spec"]


def test_images_have_a_version_and_containers_no_rights(deploy, objects):
    images = [container(objects, "vllm")["image"], *re.findall(r"FROM (\S+)", (deploy / "Containerfile").read_text())]
    assert all(":" in image and not image.endswith("latest") for image in images)
    for name in ("gateway", "vllm"):
        assert container(objects, name)["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert objects["Deployment", "gateway"]["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    for file in deploy.glob("Containerfile*"):
        if not file.name.endswith("ignore"):
            assert re.search(r"^USER 10001", file.read_text(), re.MULTILINE), file.name


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(deploy, tmp_path):
    unit = (deploy / "osler.service").read_text(encoding="utf-8").replace("/opt/osler/bin/osler", "/bin/true")
    (tmp_path / "osler.service").write_text(unit)
    found = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "osler.service"], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stderr) == (0, "")
