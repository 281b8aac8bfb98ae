// Drives the page in Chromium against a gateway with the built-in simulator. The page is served from an
// origin of its own, as management pages are. Exits with 1 if anything is not as it should be.
//
//   TOLLGATE_BIN=bin/tollgate CHROMIUM=/usr/bin/chromium node run.mjs [screenshot.png]

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const here = dirname(fileURLToPath(import.meta.url))
const bin = process.env.TOLLGATE_BIN ?? join(here, '../../bin/tollgate')
const root = 'sk-XvsiLNxHImLIn0chuNDdi5wTs5WaoEWNcd87Z62etZZ1bz7z'
const data = mkdtempSync(join(tmpdir(), 'xpages-'))

const pages = createServer((req, res) => {
  const name = new URL(req.url, 'http://x').pathname === '/page.js' ? 'page.js' : 'index.html'
  res.setHeader('Content-Type', { '.js': 'text/javascript', '.html': 'text/html' }[extname(name)])
  res.end(readFileSync(join(here, name)))
})
const listening = (server) => new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)))

// start runs the gateway on a free port and waits until it answers.
async function start() {
  const probe = createServer()
  const port = await listening(probe)
  await new Promise((done) => probe.close(done))
  const child = spawn(bin, ['serve'], {
    cwd: data,
    env: { PATH: process.env.PATH, LISTEN: `127.0.0.1:${port}`, TOLLGATE_DATA: join(data, 'data'), SIMULATOR: 'on', INIT_USERS: `root::root@example.com::${root}` },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const base = `http://127.0.0.1:${port}`
  for (const end = Date.now() + 20_000; ; ) {
    try {
      if ((await fetch(base + '/readyz')).ok) return { base, child }
    } catch (error) {
      if (Date.now() > end || child.exitCode !== null) throw error
    }
    await new Promise((done) => setTimeout(done, 50))
  }
}

const gateway = await start()
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] })
let failed = false
try {
  const page = await browser.newPage()
  const faults = []
  page.on('pageerror', (error) => faults.push(error.message))
  const origin = `http://127.0.0.1:${await listening(pages)}`
  assert.notEqual(origin, gateway.base)

  const submit = async (form, fields, says = 'done') => {
    for (const [name, value] of Object.entries(fields)) await page.fill(`${form} [name=${name}]`, String(value))
    await page.evaluate(() => { document.querySelector('#said').textContent = '' })
    await page.click(`${form} button`)
    await page.waitForFunction(() => document.querySelector('#said').textContent !== '')
    assert.match(await page.textContent('#said'), says instanceof RegExp ? says : new RegExp(`^${says}$`), form)
    return says === 'done' && form !== '#login' ? JSON.parse((await page.textContent('#result')) || 'null') : null
  }
  const signIn = async (key, says) => {
    await page.goto(`${origin}/?api=${gateway.base}`)
    await submit('#login', { key }, says)
  }

  // Signing in: by form, by validity.
  await signIn('sk-short', 'this is no key')
  await signIn(root.slice(0, -1) + 'y', 'the key is not valid')
  await signIn(root)
  assert.equal(await page.textContent('#name'), 'root')

  // A sub-account is made, and its key works at once.
  const made = await submit('#create', { name: 'child1', email: 'child1@example.com', credit: 50 })
  const child = made.User.SecretKey
  assert.equal(child.length, 51)
  assert.match(child, /^sk-Xvs\w{45}$/)
  const chat = () => fetch(gateway.base + '/v1/chat/completions', {
    method: 'POST', headers: { Authorization: `Bearer ${child}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ model: 'sim-gpt', messages: [{ role: 'user', content: 'hi' }] }),
  })
  for (let i = 0; i < 3; i++) assert.equal((await chat()).status, 200)

  // Funded, by name and by mail address; some taken back.
  let put = await submit('#fund', { name: 'child1', credit: 30.25 })
  assert.equal(put.User.Updates.CreditBalance.length, 2)
  put = await submit('#fund', { name: 'child1@example.com', credit: -10 })
  assert.equal(put.Action, 'update')
  assert.ok(Math.abs(put.User.Updates.Balance - 70.25) < 0.01)
  await submit('#fund', { name: 'child1', credit: -1000 }, /^400: the balance of child1/)

  // Looked at, alone and among all.
  const one = await submit('#view', { name: made.User.ID })
  assert.equal(one.length, 1)
  assert.equal(one[0].Name, 'child1')
  assert.equal(one[0].PartialKey, child.slice(-20))
  assert.equal(one[0].Requests, 3)
  assert.equal((await submit('#view', { name: '' })).length, 1)

  // Changed; the page sends what it was found by as its name.
  put = await submit('#change', { name: made.User.ID, rpm: 60, allowModels: 'sim-*', billingEmail: 'books@example.com' })
  assert.equal(put.User.Updates.RPM, 60)
  assert.equal(put.User.Updates.AllowModels, 'sim-*')
  assert.equal(put.User.Updates.Name, 'child1')
  await submit('#change', { name: 'child1', rpm: '', allowModels: '', billingEmail: '', status: 'false' })
  assert.equal((await chat()).status, 403)
  await submit('#change', { name: 'child1@example.com', status: 'true' })
  assert.equal((await chat()).status, 200)

  // The sub-account signs in itself and sees cards and use.
  await signIn(child)
  assert.equal(await page.textContent('#name'), 'child1')
  assert.equal(await page.textContent('#balance'), '$70.25')
  const cells = (table) => page.$$eval(`${table} tbody tr`, (rows) => rows.map((r) => [...r.cells].map((c) => c.textContent)))
  const cards = await cells('#cards')
  assert.equal(cards.length, 2)
  const use = await cells('#use')
  assert.deepEqual(use.map((r) => r.slice(0, 2)), [['today', '4'], ['this month', '4']])
  assert.ok(Number(use[0][4]) > 0)
  const models = await cells('#models')
  assert.deepEqual(models.map((r) => [r[0], r[1], r[3]]), [['sim-gpt', '4', '100.00%']])
  await submit('#create', { name: 'grandchild', email: 'g@example.com', credit: 5 })
  await submit('#delete', { name: 'root' }, /^404: there is no such account/)
  if (process.argv[2]) await page.screenshot({ path: process.argv[2], fullPage: true })

  // Deleted, from below.
  await submit('#delete', { name: 'grandchild' })
  await signIn(root)
  const gone = await submit('#delete', { name: 'child1' })
  assert.equal(gone.Action, 'delete')
  assert.equal((await submit('#view', { name: '' })).length, 0)
  await signIn(child, 'the key is not valid')
  assert.deepEqual(faults, [])
  console.log('the page works')
} catch (error) {
  failed = true
  console.error(error)
} finally {
  await browser.close()
  pages.close()
  gateway.child.kill('SIGTERM')
  await new Promise((done) => gateway.child.once('exit', done))
  rmSync(data, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)
