import type { DnsRecord } from '../dns/record.ts'
import type { AwsConfig } from './aws/aws-schema.ts'
import type {
  BehaviorConfig,
  HstsConfig,
  OriginConfig,
  OriginGroupConfig,
} from './edge/edge-schema.ts'

/** What `moka.config.ts` exports by default: one project. */
export interface MokaConfig {
  /**
   * Names the project in every command, its database and its preview hosts: 1 to 40 of a-z, 0-9
   * and "-", beginning with a letter. Trap: renaming a project makes a new one, with an empty
   * database.
   */
  name: string

  /**
   * The domain the site is served under, such as `example.org`; `www.` comes with it. The cloud's
   * DNS answers for it and the edge picks the project by it. Default: none; the site is then
   * reached by address and as `<name>.localhost`.
   */
  domain?: string

  /**
   * The files of the site. Default: what the project's framework builds (Vite, Astro, Next.js export,
   * SvelteKit static, Nuxt, Gatsby, Eleventy, Hugo, Jekyll, Docusaurus, VitePress, MkDocs), known by
   * its packages and files; without one the folder `dist`, `public`, `www` or `site`, when there is one.
   */
  site?: SiteConfig

  /**
   * Command that has to pass before a push is deployed, run by the shell after the build, in its
   * environment. Default: none. Trap: `moka deploy` runs it with `--test` only.
   */
  test?: string

  /** Functions by name. Each is an AWS Lambda handler that exists only while it is asked for. */
  functions?: Record<string, FunctionConfig>

  /**
   * A PostgreSQL database for the functions, given to them as `DATABASE_URL`. `true` is the
   * embedded one, `false` none. Default: embedded when there is a folder `migrations`.
   */
  database?: boolean | DatabaseConfig

  /**
   * Who is told when a deploy, a push or a rollback has ended, well or badly: addresses that get a
   * POST with a summary, such as webhooks of Slack, Discord and Mattermost. Default: nobody. Trap: who
   * knows such an address can write there, and the configuration is in the repository; keep the
   * address as a secret, `notify: { secret: 'SLACK_URL' }`.
   */
  notify?: string | NotifyConfig | (string | NotifyConfig)[]

  /**
   * Releases that stay for `moka rollback`, the newest, besides what is in use and what is younger than a
   * day. Default: 20.
   */
  keepReleases?: number

  /** DNS records beside those that point at the edge. Default: none. */
  dns?: DnsConfig

  /** Servers of your own behind the edge, by name, for `behaviors`. Default: none. */
  origins?: Record<string, OriginConfig | OriginGroupConfig>

  /**
   * Parts of the site with rules of their own, by path: another server, a cache policy, header
   * fields, who may come. The first whose pattern matches counts, so the special ones come first.
   * Default: none; functions answer their routes, files the rest.
   */
  behaviors?: BehaviorConfig[]

  /**
   * Public keys by name, RSA from 2048 bits or ECDSA P-256, for behaviors that only signed URLs and
   * cookies open: PEM, or the path of a PEM file relative to the project. The name is what a signed
   * URL has as Key-Pair-Id. Default: none. Trap: the private key stays where URLs are signed.
   */
  signingKeys?: Record<string, string>

  /**
   * Tells browsers to come by HTTPS alone; said over HTTPS only, where neither `_headers` nor an
   * origin says something else. Default: none, for it cannot be taken back at once. Trap: behind a
   * proxy of yours that ends TLS it is not said; let that proxy say it.
   */
  hsts?: HstsConfig

  /** How the project stands on AWS, for `moka deploy --to aws`. Default: what each of its fields says. */
  aws?: AwsConfig
}

export interface SiteConfig {
  /**
   * Folder of finished files, relative to the project. Everything in it is public, except
   * dotfiles (`.well-known` is served), `_redirects` and `_headers`. Default: where the framework
   * writes, else `dist`.
   */
  directory?: string

  /**
   * Command that makes the folder, run by the shell in the project before each deploy. When it
   * fails, nothing changes. `false`: the files are deployed as they are. Default: the script `build`
   * of package.json, run by the project's package manager, or the framework's own command; none
   * without a framework.
   */
  build?: string | false | BuildConfig
}

export interface BuildConfig {
  /** As `site.build`. */
  command?: string

  /**
   * Names of variables that the build gets from the environment that deploys, besides those that any
   * program needs (`PATH`, `HOME`, proxies, npm's settings) and those whose names say that they are
   * public (`VITE_…`, `PUBLIC_…`, as the framework has it). Default: none. Trap: what a build gets may
   * end up in the pages.
   */
  environment?: string[]

  /**
   * Names of secrets that the build gets as variables. A push is built with the values that
   * `moka secrets set` gave the cloud; on any other machine they have to be in the shell that
   * deploys. Default: none. Trap: as with `environment`, what a build gets may end up in the pages.
   */
  secrets?: string[]

  /** Minutes until a build is ended. Default: 15. */
  timeoutMinutes?: number

  /**
   * Memory in MB that each process of the build may have. Default: 4096. Trap: only Linux can limit
   * it.
   */
  memoryMb?: number
}

export interface FunctionConfig {
  /**
   * Source file, relative to the project: `.py`, `.ts`, `.mts`, `.cts`, `.js`, `.mjs` or
   * `.cjs`. TypeScript and JavaScript, ES modules and CommonJS alike, are bundled with what
   * they import; of Python, the file's whole folder goes along.
   */
  entry: string

  /** Name of the handler that the file exports. Default: `handler`. */
  handler?: string

  /**
   * Paths the function answers: `/api/visits` that path alone, `/api/shop/*` the path before the
   * star and everything below it, which the function finds in `event.pathParameters.proxy`; there
   * are no parameters such as `:id`. The longest match wins, and functions win over files.
   * Default: `/api/<name>` and `/api/<name>/*`.
   */
  routes?: string[]

  /**
   * How often it may be called, as `5/minute`: a count for each `second`, `minute`, `hour`, `day`,
   * or a period such as `30s`, counted for each client address. More calls get 429 with
   * Retry-After. Default: no limit.
   * Trap: this is not `reservedConcurrency`; a limit of 5 at once lets thousands a minute through.
   */
  rateLimit?: string | RateLimitConfig

  /** Invocations allowed at once; more get 429. 0 stops the function. Default: no reservation. */
  reservedConcurrency?: number

  /** Seconds until an invocation is ended, 1 to 900. Default: 10. */
  timeoutSeconds?: number

  /** Memory in MB, 128 to 10240. Default: 256. */
  memoryMb?: number

  /**
   * Environment variables of the function, but those that Lambda sets itself (`AWS_REGION`, …)
   * and, beside a database, `DATABASE_URL`. Trap: they are kept in the release in clear; give no
   * password here.
   */
  environment?: Record<string, string>

  /**
   * Names of secrets that the function gets as environment variables: `moka secrets set STRIPE_KEY`
   * gives one its value, which no release holds. Default: none. A new value counts from the next
   * invocation on. Trap: a rollback brings back the names of a release; the values stay as they are.
   */
  secrets?: string[]
}

/** One of the two. */
export interface NotifyConfig {
  /** Where the POST goes: http or https. */
  url?: string

  /** Name of the secret that is that address, set with `moka secrets set`. */
  secret?: string
}

export interface RateLimitConfig {
  /** As in `5/minute`. */
  limit: string

  /** Who is counted: each `client` address for itself, or all callers of the `function` together. Default: `client`. */
  per?: 'client' | 'function'
}

export interface DatabaseConfig {
  /**
   * Address of a PostgreSQL server to use in place of the embedded one, such as
   * `process.env.DATABASE_URL`. Default: the embedded one. Trap: when it is written here but
   * undefined, that is an error and not the embedded database.
   */
  url?: string | undefined

  /**
   * Folder of `.sql` files, applied once each in the order of their names. Default: `migrations`.
   * Trap: a file that was applied must not change any more; add a new one.
   */
  migrations?: string
}

export interface DnsConfig {
  /** Records of the project's domain. The addresses of the domain and of `www` are there by themselves. */
  records?: DnsRecord[]
}

/** Gives `moka.config.ts` its types; returns what it is given. */
export function defineConfig(config: MokaConfig): MokaConfig {
  return config
}
