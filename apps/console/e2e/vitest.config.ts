import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.e2e.ts'],
    environment: 'node',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // One pod and one browser at a time.
    fileParallelism: false,
    sequence: { concurrent: false },
    // They build on each other: after a few failures the rest says nothing new.
    bail: 4,
  },
})
