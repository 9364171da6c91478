import pytest

from ponder.algorithms import (
    ALGORITHMS,
    PAPER_SILENT,
    needs_reference,
    old_logprobs_source,
    resolve_algorithm,
)
from ponder.config import AlgorithmConfig
from ponder.errors import RecipeError


def test_the_presets():
    names = {"r1", "grpo", "dapo", "dr_grpo", "gspo", "cispo", "rloo", "reinforce", "ppo"}
    assert set(ALGORITHMS) == set(PAPER_SILENT) == names
    for name, config in ALGORITHMS.items():
        assert config.preset == name
        # each states what the optimizer does, whatever the defaults are
        stated = {"lr", "schedule", "warmup_frac", "betas", "eps", "weight_decay", "clip_norm"}
        assert stated <= config.optimizer.model_fields_set
        assert resolve_algorithm({"preset": name}) == config


def test_silent_keys_exist():
    for name, keys in PAPER_SILENT.items():
        assert len(set(keys)) == len(keys)
        dumped = ALGORITHMS[name].model_dump()
        for key in keys:
            node = dumped
            for part in key.split("."):
                assert part in node, f"{name}: {key}"
                node = node[part]


def test_r1_has_the_numbers_of_the_paper():
    r1 = ALGORITHMS["r1"]
    assert (r1.optimizer.lr, r1.kl.coef, r1.kl.kind, r1.kl.place) == (3e-6, 0.001, "k3", "loss")
    assert (r1.kl.refresh_steps, r1.surrogate.clip_low, r1.surrogate.clip_high) == (400, 10, 10)
    assert {"surrogate.clip_high", "aggregate", "advantage.std"} <= set(PAPER_SILENT["r1"])
    assert "optimizer.lr" not in PAPER_SILENT["r1"]


def test_numbers_of_the_others():
    dapo = ALGORITHMS["dapo"]
    assert (dapo.surrogate.clip_low, dapo.surrogate.clip_high, dapo.aggregate) == (0.2, 0.28, "token")
    assert (dapo.truncated, dapo.overlong_band, dapo.zero_variance) == ("penalise", 4096, "refill")
    assert (ALGORITHMS["grpo"].kl.coef, ALGORITHMS["grpo"].optimizer.lr) == (0.04, 1e-6)
    gspo = ALGORITHMS["gspo"].surrogate
    assert (gspo.ratio, gspo.clip_low, gspo.clip_high) == ("sequence", 3e-4, 4e-4)
    assert ALGORITHMS["dr_grpo"].advantage.scale == "none"
    assert ALGORITHMS["dr_grpo"].aggregate == "constant"
    assert ALGORITHMS["ppo"].advantage.gae_lambda == 1.0
    assert {n for n, c in ALGORITHMS.items() if needs_reference(c)} == {"r1", "grpo", "rloo", "ppo"}


def test_overrides_are_laid_over_the_preset_block_by_block():
    config = resolve_algorithm({"preset": "dapo", "optimizer": {"lr": 2e-4}, "surrogate": {"clip_high": 0.5}})
    assert config.optimizer.lr == 2e-4
    assert config.optimizer.weight_decay == 0.1
    assert (config.surrogate.clip_low, config.surrogate.clip_high) == (0.2, 0.5)
    assert config.aggregate == "token"
    # the default preset
    assert resolve_algorithm({}) == ALGORITHMS["r1"]
    schedule = [{"step": 0, "value": 0.1}, {"step": 5, "value": 0.0}]
    assert [s.step for s in resolve_algorithm({"kl": {"coef": schedule}}).kl.coef] == [0, 5]


def test_a_parsed_config_overrides_with_what_was_written_in_it():
    written = AlgorithmConfig.model_validate({"preset": "dr_grpo", "kl": {"kind": "k2", "coef": 0.5}})
    config = resolve_algorithm(written)
    assert config.aggregate == "constant"  # AlgorithmConfig's own default is "completion"
    assert (config.kl.kind, config.kl.coef) == ("k2", 0.5)
    assert resolve_algorithm(config) == config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"preset": "dappo"}, r'algorithm.preset is "dappo". Did you mean "dapo"\?'),
        ({"preset": 3}, 'algorithm.preset is "3". Allowed: cispo'),
        ({"klcoef": 1}, "algorithm.klcoef is no key"),
        ({"optimizer": {"leraning_rate": 1}}, "algorithm.optimizer.leraning_rate is no key"),
        ({"surrogate": {"clip_hihg": 1}}, 'clip_hihg is no key of a recipe. Did you mean "clip_high"'),
        ({"aggregate": "sum"}, "algorithm.aggregate is 'sum': .*'completion'"),
        ({"surrogate": {"clip_low": -1}}, "algorithm.surrogate.clip_low is -1: "),
        ({"surrogate": 3}, "algorithm.surrogate is 3"),
        ({"preset": "ppo", "advantage": {"scale": "group"}}, 'scale is "group" with estimator "gae"'),
        ({"advantage": {"estimator": "process", "scale": "batch"}}, 'with estimator "process"'),
        ({"preset": "gspo", "surrogate": {"kind": "none"}}, 'ratio is "sequence" with kind "none"'),
        ({"preset": "grpo", "surrogate": {"clip_max": 0.1}}, "clip_max is 0.1"),
    ],
)
def test_errors_name_the_key_and_the_way_out(overrides, message):
    with pytest.raises(RecipeError, match=message):
        resolve_algorithm(overrides)


def test_old_logprobs_are_recomputed_as_soon_as_there_are_two_updates():
    recompute, sampler = ALGORITHMS["r1"], ALGORITHMS["reinforce"]
    assert old_logprobs_source(recompute, 1) == "now"
    assert old_logprobs_source(sampler, 1) == "sampler"
    assert old_logprobs_source(recompute, 16) == old_logprobs_source(sampler, 2) == "recompute"


def test_a_reference_is_needed_when_any_step_weighs_it():
    assert not needs_reference(resolve_algorithm({"kl": {"coef": 0.0}}))
    assert not needs_reference(resolve_algorithm({"kl": {"kind": "none"}}))
    later = [{"step": 0, "value": 0.0}, {"step": 5, "value": 0.1}]
    assert needs_reference(resolve_algorithm({"kl": {"coef": later}}))
