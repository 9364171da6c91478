"""R1-Zero by hand: python examples/api_r1_zero.py [MODEL] [ITERATIONS]. `ponder run` does it all."""

import sys

import torch

from ponder import api

folder = api.resolve_model(sys.argv[1] if len(sys.argv) > 1 else "ponder-tiny")
iterations = int(sys.argv[2]) if len(sys.argv) > 2 else 20
policy, tokenizer = api.load_policy(folder), api.load_tokenizer(folder)
template, algorithm, cap = api.load_template("plain"), api.ALGORITHMS["reinforce"], 96
engine = api.LocalEngine(policy, tokenizer, num_slots=128)
optimizer = torch.optim.AdamW(policy.parameters(), lr=2e-4)
(source,) = api.load_sources([api.TaskConfig(name="arithmetic", options={"numbers": 5}, limit=None)])
rewards = api.RewardWorkers(api.ScoringSpec((api.RewardConfig(name="accuracy"),)), num_workers=0)
for iteration in range(iterations):
    problems = [source.problem(0, 16 * iteration + number) for number in range(16)]
    requests = [
        api.RolloutRequest(
            template.render(problem, tokenizer.encode),
            tuple(api.derive_seed(iteration, problem.id, member) for member in range(8)),
        )
        for problem in problems
    ]
    groups = dict(engine.generate(requests, api.SamplingParams(max_new_tokens=cap)))
    scored = rewards.score([groups[index] for index in range(len(groups))])
    samples = api.build_samples(scored, algorithm, length_cap=cap).samples
    for part in api.pack(samples, micro_batch_tokens=8192):
        batch = api.build_batch(part)
        hidden = policy.hidden(batch.token_ids_N, batch.positions_N, batch.packing)[batch.predictors_M]
        logprobs, _ = api.token_logprobs(hidden, policy.logits, batch.targets_M)
        totals = api.step_totals(samples, length_cap=cap)
        api.policy_loss(logprobs, batch, algorithm, totals, on_policy=True)[0].backward()
    optimizer.step()
    optimizer.zero_grad()
    engine.update_weights(iteration + 1)
    earned = [reward.total for group in scored for reward in group.rewards if reward.total is not None]
    print(f"iteration {iteration}: {sum(earned) / len(earned):.1%} right", flush=True)
