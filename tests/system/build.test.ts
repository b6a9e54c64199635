import { buildScenarios } from './scenarios/build.ts'

buildScenarios('gantry')
