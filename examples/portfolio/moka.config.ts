import { defineConfig, hasPython } from 'mokapot'

export default defineConfig({
  name: 'portfolio',
  domain: 'portfolio.example',
  site: { build: 'node build.mjs', directory: 'dist' },
  // Before each push goes live, and with `moka deploy --test`.
  ...(hasPython('3.9') && { test: 'python3 -m unittest discover -s tests' }),
  functions: {
    visits: {
      // Python where this machine has it, TypeScript where not: the same function twice.
      entry: hasPython('3.9') ? 'functions/visits.py' : 'functions/visits.ts',
      routes: ['/api/visits'],
      rateLimit: '5/minute', // for each client address
      timeoutSeconds: 5,
    },
  },
  database: { migrations: 'migrations' },
  dns: {
    // The addresses of the site itself are made for you.
    records: [
      { name: '@', type: 'MX', value: '10 mail.portfolio.example.' },
      { name: '@', type: 'TXT', value: 'v=spf1 mx -all' },
      { name: '_dmarc', type: 'TXT', value: 'v=DMARC1; p=reject' },
      // An address for documentation (RFC 5737): put your mail server's here.
      { name: 'mail', type: 'A', value: '192.0.2.25', ttlSeconds: 3600 },
    ],
  },
})
