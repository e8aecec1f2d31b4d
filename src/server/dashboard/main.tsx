/**
 * Starts the dashboard.
 *
 * @packageDocumentation
 */

import '@picocss/pico/css/pico.min.css'
import { render } from 'preact'
import { createModel, ModelContext } from './model.js'
import { Dashboard } from './shell.js'
import './style.css'

const root = document.getElementById('app')
if (root === null) throw new TypeError('the page has no place for the dashboard')
const model = createModel()
render(
  <ModelContext.Provider value={model}>
    <Dashboard />
  </ModelContext.Provider>,
  root,
)
await model.open()
