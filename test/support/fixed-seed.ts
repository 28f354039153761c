import fc from 'fast-check'

// The same cases in every run of the whole suite, so that a failure is of the change at hand. Others
// are looked for on purpose: MOKA_TEST_SEED=7 gives other cases, MOKA_FUZZ_RUNS=100000 new ones.
if (process.env.MOKA_FUZZ_RUNS === undefined) {
  fc.configureGlobal({ seed: Number(process.env.MOKA_TEST_SEED ?? 1) })
}
