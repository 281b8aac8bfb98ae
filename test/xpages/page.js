// A management page that speaks to a gateway of another origin with plain fetch calls, as ProxyXAI's pages
// do: the key is checked by its form, sent with Bearer to sign in and bare afterwards.

const base = new URLSearchParams(location.search).get('api')
const $ = (selector) => document.querySelector(selector)
let key = ''

const wellFormed = (k) => k.length === 51 && k.startsWith('sk-Xvs')
const dollars = (n) => '$' + n.toFixed(2) // fails unless it is a number

function row(table, cells) {
  const tr = document.createElement('tr')
  for (const c of cells) tr.insertCell().textContent = c
  $(table + ' tbody').append(tr)
}

async function signIn(k) {
  if (!wellFormed(k)) throw new Error('this is no key')
  const answer = await fetch(`${base}/dashboard/x-user-info`, { headers: { Authorization: `Bearer ${k}` } })
  if (!answer.ok) throw new Error('the key is not valid')
  key = k
  show(await answer.json())
  await bill()
  $('#login').hidden = true
  $('main').hidden = false
}

function show(user) {
  $('#name').textContent = user.name
  $('#balance').textContent = dollars(user.balance)
  for (const table of ['#cards', '#use']) $(table + ' tbody').replaceChildren()
  for (const c of user.credit_balance) row('#cards', [dollars(c.amount), dollars(c.balance), new Date(c.expires_at).toISOString().slice(0, 10)])
  for (const [when, u] of [['today', user.daily_usage], ['this month', user.monthly_usage]]) {
    row('#use', [when, u.Requests.toLocaleString(), u.Prompt.toLocaleString(), u.Completion.toLocaleString(), u.CreditUsed.toFixed(6)])
  }
}

async function bill() {
  const today = new Date().toISOString().slice(0, 10)
  const answer = await fetch(`${base}/dashboard/bill?date=${today}`, { headers: { Authorization: key } })
  const data = await answer.json()
  $('#models tbody').replaceChildren()
  for (const [name, m] of Object.entries(data.usage_summary || {})) {
    row('#models', [name, m.model_stats.Requests.toLocaleString(), m.model_stats.CreditUsed.toFixed(6), m.usage_analysis.cost_percentage.toFixed(2) + '%'])
  }
}

async function call(method, path, data) {
  const options = { method, headers: { Authorization: key } }
  if (data) {
    options.headers['Content-Type'] = 'application/json'
    options.body = JSON.stringify(data)
  }
  const answer = await fetch(base + path, options)
  const body = await answer.json()
  if (!answer.ok) throw new Error(`${answer.status}: ${body.error.message}`)
  $('#result').textContent = JSON.stringify(body, null, 2)
  return body
}

function onSubmit(id, run) {
  $(id).addEventListener('submit', async (event) => {
    event.preventDefault()
    const said = $('#said')
    said.textContent = ''
    said.className = ''
    try {
      await run(Object.fromEntries([...new FormData(event.target)].map(([n, v]) => [n, v.trim()])))
      said.textContent = 'done'
    } catch (error) {
      said.textContent = error.message
      said.className = 'error'
    }
  })
}

onSubmit('#login form', (f) => signIn(f.key))
onSubmit('#create', (f) => {
  const data = { Name: f.name, Email: f.email, CreditGranted: Number(f.credit) }
  if (f.rates) data.Rates = Number(f.rates)
  return call('POST', '/x-users', data)
})
onSubmit('#fund', (f) => call('PUT', `/x-users/${f.name}`, { CreditGranted: Number(f.credit) }))
onSubmit('#view', (f) => call('GET', f.name ? `/x-dna/${f.name}` : '/x-dna'))
onSubmit('#change', (f) => {
  const data = { Name: f.name } // what the account is found by goes along, an id or a mail address too
  if (f.rpm) data.RPM = Number(f.rpm)
  if (f.allowModels) data.AllowModels = f.allowModels
  if (f.billingEmail) data.BillingEmail = f.billingEmail
  if (f.status) data.Status = f.status === 'true'
  return call('PUT', `/x-users/${f.name}`, data)
})
onSubmit('#delete', (f) => call('DELETE', `/x-users/${f.name}`))
$('#said').addEventListener('click', () => signIn(key))
