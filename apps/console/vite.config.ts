import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// `npm run dev` serves the sources and sends API calls to a running pod: RHIZOME_POD=http://127.0.0.1:8420 npm run dev
const pod = process.env['RHIZOME_POD'] ?? 'http://127.0.0.1:8420'

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    // The pod's content security policy allows neither data: scripts nor inline ones.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': { target: pod, ws: true, changeOrigin: true, headers: { origin: pod } } },
  },
  test: { include: ['src/**/*.test.ts', 'src/**/*.test.tsx'], environment: 'happy-dom' },
})
