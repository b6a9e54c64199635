import { lifecycleScenarios } from './scenarios/lifecycle.ts'

lifecycleScenarios('gantry')
