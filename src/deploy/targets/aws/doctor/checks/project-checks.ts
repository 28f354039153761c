import type { Project } from '../../../../../config/project.ts'
import type { Check, Found } from '../../../../doctor/finding.ts'
import { scanSite } from '../../../../files/scan.ts'
import { readMigrations } from '../../../../migrations.ts'
import { checkDsqlMigrations } from '../../database/dsql-migrations.ts'
import { MAX_RELEASE_BYTES } from '../../viewer/encode-release.ts'

/** A file's entry in the KeyValueStore, with its share of a shard that is not full. */
const BYTES_OF_FILE = 10.5
/** Of what fits; from here on redirects and headers may be too much. */
const NEARLY_FULL = 0.8

/** Names that no registrar has: RFC 2606 and 6761, 6762, 8375, 9476, and ICANN's "internal". */
const NOBODYS = /(?:^|\.)(?:example|test|invalid|localhost|local|internal|onion|alt|home\.arpa)$/

/** Whether anybody can have the domain: a certificate for another one would be waited for in vain. */
export function domainCheck(domain: string): Check {
  return {
    name: 'domain',
    async run() {
      const end = NOBODYS.exec(domain)?.[0].replace(/^\./, '')
      if (end === undefined) return { level: 'ok', what: domain }
      return {
        level: 'problem',
        what: `nobody can have ${domain}: names under "${end}" are for examples and for networks of one's own`,
        why: 'the certificate, and the deploy with it, would wait for it without an end',
        fix: '`domain` in moka.config.ts: one of yours; or none, then the site has an address of CloudFront’s',
      }
    },
  }
}

/** Whether Aurora DSQL takes the migrations, as far as its manual tells. */
export function migrationCheck({ migrationsDirectory }: Project): Check {
  return {
    name: 'migrations',
    async run() {
      const migrations = (await readMigrations(migrationsDirectory)).map(({ name, sql }) => ({
        ...{ name, sql: Buffer.from(sql).toString('utf8') },
      }))
      const refused = checkDsqlMigrations(migrations)
      if (refused.length === 0) {
        return { level: 'ok', what: `${migrations.length} that Aurora DSQL takes` }
      }
      return refused.map(
        ({ file, line, problem, instead }): Found => ({
          level: 'problem',
          what: `${file}:${line}: ${problem}`,
          why: 'Aurora DSQL takes a part of PostgreSQL’s SQL',
          fix: instead,
        }),
      )
    },
  }
}

/** Paths of a release stand in a KeyValueStore of 5 MB, of which one release may have a part. */
export function filesCheck(directory: string): Check {
  return {
    name: 'files',
    async run() {
      const files = await scanSite(directory).catch(error => {
        if ((error as { code?: string }).code !== 'DEPLOY_SITE_MISSING') throw error
        return undefined
      })
      if (files === undefined) return { level: 'ok', what: 'not built yet; a deploy looks at them' }
      return describeFiles(files.length)
    },
  }
}

export function describeFiles(count: number): Found {
  const most = Math.floor(MAX_RELEASE_BYTES / BYTES_OF_FILE)
  const what = `${count.toLocaleString('en')} of the ${most.toLocaleString('en')} that a release has room for`
  if (count <= most * NEARLY_FULL) return { level: 'ok', what }
  const fix = "serve some of them from elsewhere, or aws: { mode: 'classic' }, which has no limit"
  return { level: count > most ? 'problem' : 'note', what, fix }
}
