import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.algorithms import token_logprobs

M, D, V = 37, 8, 19


def inputs(dtype=torch.float64, seed=0):
    rng = torch.Generator().manual_seed(seed)
    hidden = torch.randn(M, D, dtype=dtype, generator=rng).requires_grad_()
    weight = torch.randn(V, D, dtype=dtype, generator=rng).requires_grad_()
    return hidden, weight, torch.randint(V, (M,), generator=rng), torch.randn(M, dtype=dtype, generator=rng)


def naive(hidden, weight, targets, temperature):
    log_softmax = (hidden @ weight.t() / temperature).log_softmax(-1)
    entropy = -(log_softmax.exp() * log_softmax).sum(-1)
    return log_softmax.gather(1, targets[:, None]).squeeze(1), entropy


@pytest.mark.parametrize("path", ["weight", "weight_recompute", "callable"])
@settings(max_examples=10, deadline=None)
@given(temperature=st.sampled_from([0.3, 0.7, 1.0, 2.5]), chunk=st.integers(1, 60), seed=st.integers(0, 99))
def test_equals_the_naive_computation(path, temperature, chunk, seed):
    hidden, weight, targets, upstream = inputs(seed=seed)
    expected, expected_entropy = naive(hidden, weight, targets, temperature)
    wanted = torch.autograd.grad(expected, (hidden, weight), upstream)
    head = (lambda h: h @ weight.t()) if path == "callable" else weight
    keep = 0 if path == "weight_recompute" else 1 << 20
    logprobs, entropy = token_logprobs(hidden, head, targets, temperature, chunk, keep)
    got = torch.autograd.grad(logprobs, (hidden, weight), upstream)
    torch.testing.assert_close(logprobs, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(entropy, expected_entropy, rtol=1e-12, atol=1e-12)
    for actual, reference in zip(got, wanted, strict=True):
        torch.testing.assert_close(actual, reference, rtol=1e-11, atol=1e-12)
    assert not entropy.requires_grad


@pytest.mark.parametrize("keep", [0, 1 << 20])
def test_gradcheck(keep):
    hidden, weight, targets, _ = inputs()

    def run(h, w):
        return token_logprobs(h, w, targets, 0.7, 10, keep)[0]

    assert torch.autograd.gradcheck(run, (hidden, weight), fast_mode=True)


def test_kept_softmax_survives_a_second_backward():
    hidden, weight, targets, upstream = inputs()
    logprobs, _ = token_logprobs(hidden, weight, targets, 0.7, 10)
    first = torch.autograd.grad(logprobs, (hidden, weight), upstream, retain_graph=True)
    second = torch.autograd.grad(logprobs, (hidden, weight), upstream)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_only_the_wanted_gradient_is_computed():
    hidden, weight, targets, _ = inputs()
    token_logprobs(hidden.detach(), weight, targets)[0].sum().backward()
    assert hidden.grad is None
    assert weight.grad is not None
    hidden2 = hidden.detach().requires_grad_()
    frozen = weight.detach()
    token_logprobs(hidden2, frozen, targets)[0].sum().backward()
    assert hidden2.grad is not None


def test_the_head_runs_in_float32_for_bfloat16_hidden_states():
    hidden, weight, targets, upstream = inputs(torch.float32)
    low = hidden.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logprobs, entropy = token_logprobs(low, weight, targets, 0.7)
    expected, _ = naive(low.float(), weight, targets, 0.7)
    assert logprobs.dtype == entropy.dtype == torch.float32
    # bfloat16 logits would be off by about 1e-2
    torch.testing.assert_close(logprobs, expected, rtol=1e-5, atol=1e-5)
    logprobs.backward(upstream)
    assert low.grad.dtype == torch.bfloat16
    assert weight.grad.dtype == torch.float32


def test_precise_in_float32_where_logits_are_large_and_probabilities_tiny():
    hidden = torch.tensor([[1.0]])
    weight = torch.tensor([[1000.0], [1000.5], [900.0], [-3000.0]])
    exact = torch.log_softmax(weight.squeeze(1).double(), 0)
    for target in range(4):
        logprobs, entropy = token_logprobs(hidden, weight, torch.tensor([target]))
        assert logprobs.item() == pytest.approx(exact[target].item(), rel=1e-6)
    assert entropy.item() == pytest.approx(-(exact.exp() * exact).sum().item(), rel=1e-5)


def test_a_head_that_rules_tokens_out_gives_no_nan():
    hidden, weight, targets, _ = inputs()
    targets = targets.clamp(min=1)

    def head(h):
        return (h @ weight.t()).index_fill(1, torch.tensor([0]), -torch.inf)

    logprobs, entropy = token_logprobs(hidden, head, targets, 0.7, 10)
    expected, _ = naive(hidden, weight[1:], targets - 1, 0.7)
    torch.testing.assert_close(logprobs, expected, rtol=1e-12, atol=1e-12)
    assert bool(entropy.isfinite().all())


class LargestTensor(torch.utils._python_dispatch.TorchDispatchMode):
    """Sees the largest tensor any operation returns."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in torch.utils._pytree.tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.elements = max(self.elements, leaf.numel())
        return result


@pytest.mark.parametrize("path", ["weight", "callable"])
def test_no_more_than_a_chunk_of_logits_exists(path):
    rows, vocabulary, chunk = 400, 300, 130
    hidden = torch.randn(rows, 4, requires_grad=True)
    weight = torch.randn(vocabulary, 4, requires_grad=True)
    targets = torch.randint(vocabulary, (rows,))
    head = weight if path == "weight" else (lambda h: h @ weight.t())
    with LargestTensor() as seen:
        logprobs, _ = token_logprobs(hidden, head, targets, 1.0, chunk, keep_bytes=0)
        logprobs.sum().backward()
    assert seen.elements == chunk * vocabulary


def test_no_rows_and_no_gradient():
    weight = torch.randn(5, 3, requires_grad=True)
    none = torch.empty(0, dtype=torch.int64)
    for head in (weight, lambda h: h @ weight.t()):
        logprobs, entropy = token_logprobs(torch.empty(0, 3), head, none)
        assert logprobs.shape == entropy.shape == (0,)
        with torch.no_grad():
            logprobs, _ = token_logprobs(torch.randn(4, 3), head, torch.zeros(4, dtype=torch.int64))
        assert not logprobs.requires_grad


def test_bad_arguments_are_refused():
    hidden, weight, targets, _ = inputs()
    for temperature in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="temperature is"):
            token_logprobs(hidden, weight, targets, temperature)
    with pytest.raises(ValueError, match="chunk_tokens is 0"):
        token_logprobs(hidden, weight, targets, chunk_tokens=0)


@pytest.mark.parametrize("path", ["weight", "callable"])
def test_nothing_of_the_size_of_the_logits_is_kept_for_the_backward_pass(path):
    rows, vocabulary = 400, 300
    hidden = torch.randn(rows, 4, requires_grad=True)
    weight = torch.randn(vocabulary, 4, requires_grad=True)
    targets = torch.randint(vocabulary, (rows,))
    kept = []

    def note(tensor):
        kept.append(tensor.numel())
        return tensor

    head = weight if path == "weight" else (lambda h: h @ weight.t())
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        token_logprobs(hidden, head, targets, 1.0, 130, keep_bytes=0)
    # hidden states, weight and targets at most, and never a chunk of 130 x 300 logits
    assert sum(kept) <= hidden.numel() + weight.numel() + 2 * rows
