// Starts what is measured, each pinned to the server's core, and tells its ports and process.
// `portOf` is by scheme; what a server does not speak is not in it.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openLocalCa } from '../../dist/tls/local-ca.js'

export const SERVER_CORE = 0
export const LOAD_CORE = 1

const EDGE_SERVER = fileURLToPath(new URL('./edge-server.mjs', import.meta.url))

/** A P-256 certificate that all servers show: `.tls/chain.pem` and `key.pem` in the folder. */
export async function writeCertificate(folder) {
  const directory = join(folder, '.tls')
  const ca = await openLocalCa({ directory, clock: { now: () => Date.now() } })
  const { chain, key } = await ca.certificateFor(['localhost', '127.0.0.1'])
  writeFileSync(join(directory, 'chain.pem'), chain)
  writeFileSync(join(directory, 'key.pem'), key, { mode: 0o644 })
  // Some servers drop their rights and must still get through.
  execFileSync('chmod', ['-R', 'a+rX', folder])
}

/** Our edge on Bun, where that is: `$MOKA_BUN`, or on PATH. */
export async function startEdgeOnBun(folder) {
  const program = process.env.MOKA_BUN || findOnPath('bun')
  return program === undefined ? undefined : startEdge(folder, 'own', undefined, program)
}

/** Our edge: `own` engines, or all of it through node:http; its files, or those of an origin. */
export async function startEdge(folder, engine, originPort, program = process.execPath) {
  const origin = originPort === undefined ? [] : ['', `http://127.0.0.1:${originPort}`]
  const child = pinned([program, EDGE_SERVER, folder, engine, ...origin], 'pipe')
  const line = await new Promise((resolve, reject) => {
    child.once('exit', code => reject(new Error(`the edge ended with ${code}`)))
    child.stdout.once('data', chunk => resolve(String(chunk)))
  })
  const [http, https] = line.split(' ').map(Number)
  return { portOf: { http, https }, pid: child.pid, stop: () => child.kill() }
}

/** nginx with one worker: `file` serves the folder, `cache` has it by HTTP and keeps it. */
export async function startNginx(folder, kind) {
  const program = find('nginx')
  if (program === undefined) return undefined
  const home = homeOf(folder, `nginx-${kind}`)
  const portOf = { http: await freePort(), https: await freePort() }
  const config = nginxConfig(home, folder, portOf, kind === 'cache' ? await freePort() : undefined)
  writeFileSync(join(home, 'nginx.conf'), config)
  const child = pinned([program, '-e', join(home, 'error.log'), '-c', join(home, 'nginx.conf')])
  await answers(portOf.http)
  return { portOf, pid: childOf(child.pid), stop: () => child.kill() }
}

/** Varnish before an origin, all in memory. It has no TLS. */
export async function startVarnish(folder, originPort) {
  const program = find('varnishd')
  if (program === undefined) return undefined
  const [home, http] = [homeOf(folder, 'varnish'), await freePort()]
  const listen = ['-a', `127.0.0.1:${http}`, '-b', `127.0.0.1:${originPort}`]
  const child = pinned([program, '-F', '-n', home, ...listen, '-s', 'malloc,64m', '-t', '3600'])
  await answers(http)
  return { portOf: { http }, pid: childOf(child.pid), stop: () => child.kill() }
}

export async function startCaddy(folder) {
  const program = find('caddy')
  if (program === undefined) return undefined
  const home = homeOf(folder, 'caddy')
  const portOf = { http: await freePort(), https: await freePort() }
  const site = `root * ${folder}\n file_server`
  const tls = `tls ${folder}/.tls/chain.pem ${folder}/.tls/key.pem`
  const config = `{
 admin off
 auto_https off
 default_sni localhost
 log {
  output discard
 }
}
http://127.0.0.1:${portOf.http} {
 ${site}
}
https://127.0.0.1:${portOf.https}, https://localhost:${portOf.https} {
 ${tls}
 ${site}
}
`
  writeFileSync(join(home, 'Caddyfile'), config)
  const args = ['run', '--adapter', 'caddyfile', '--config', join(home, 'Caddyfile')]
  const child = pinned([program, ...args])
  await answers(portOf.http)
  return { portOf, pid: child.pid, stop: () => child.kill() }
}

export async function startH2o(folder) {
  const program = find('h2o')
  if (program === undefined) return undefined
  const home = homeOf(folder, 'h2o')
  const portOf = { http: await freePort(), https: await freePort() }
  const config = `num-threads: 1
pid-file: ${home}/pid
error-log: ${home}/error.log
listen:
  host: 127.0.0.1
  port: ${portOf.http}
listen:
  host: 127.0.0.1
  port: ${portOf.https}
  ssl:
    certificate-file: ${folder}/.tls/chain.pem
    key-file: ${folder}/.tls/key.pem
hosts:
  default:
    paths:
      /:
        file.dir: ${folder}
`
  writeFileSync(join(home, 'h2o.conf'), config)
  const child = pinned([program, '-m', 'worker', '-c', join(home, 'h2o.conf')])
  await answers(portOf.http)
  return { portOf, pid: child.pid, stop: () => child.kill() }
}

function nginxConfig(home, folder, { http, https }, cacheOriginPort) {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${home}/${name};`)
    .join(' ')
  const files = `root ${folder};`
  const cached = `location / { proxy_pass http://127.0.0.1:${cacheOriginPort}; proxy_cache all; }`
  const hasCache = cacheOriginPort !== undefined
  return `daemon off; worker_processes 1; pid ${home}/nginx.pid;
events { worker_connections 1024; }
http {
  ${paths}
  ${hasCache ? `proxy_cache_path ${home}/cache keys_zone=all:10m; proxy_cache_valid 200 1h;` : ''}
  access_log off; sendfile on; tcp_nopush ${hasCache ? 'off' : 'on'}; tcp_nodelay on;
  keepalive_requests 1000000; open_file_cache max=10000; etag on;
  default_type text/plain;
  ssl_certificate ${folder}/.tls/chain.pem; ssl_certificate_key ${folder}/.tls/key.pem;
  server {
    listen 127.0.0.1:${http}; listen 127.0.0.1:${https} ssl http2;
    ${hasCache ? cached : files}
  }
  ${hasCache ? `server { listen 127.0.0.1:${cacheOriginPort}; ${files} }` : ''}
}
`
}

function pinned(command, stdout = 'ignore') {
  const stderr = stdout === 'pipe' ? 'inherit' : 'ignore'
  return spawn('taskset', ['-c', SERVER_CORE, ...command].map(String), {
    stdio: ['ignore', stdout, stderr],
  })
}

function find(name) {
  return ['/usr/sbin', '/usr/local/sbin', '/usr/bin', '/usr/local/bin']
    .map(folder => join(folder, name))
    .find(existsSync)
}

function findOnPath(name) {
  return (process.env.PATH ?? '')
    .split(':')
    .map(folder => join(folder, name))
    .find(existsSync)
}

function homeOf(folder, name) {
  const home = join(folder, `.${name}`)
  mkdirSync(home, { recursive: true, mode: 0o777 })
  execFileSync('chmod', ['a+rwX', home])
  return home
}

/** The worker below a server that has one. */
function childOf(pid) {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise(resolve => server.close(resolve))
  return port
}

async function answers(port) {
  for (let i = 0; i < 200; i++) {
    const isUp = await fetch(`http://127.0.0.1:${port}/1.txt`).then(
      response => response.ok,
      () => false,
    )
    if (isUp) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error(`nothing answers on port ${port}`)
}
