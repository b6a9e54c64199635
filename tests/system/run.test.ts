import { runScenarios } from './scenarios/run.ts'

runScenarios('gantry')
