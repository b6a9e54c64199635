import { logScenarios } from './scenarios/logs.ts'

logScenarios('gantry')
