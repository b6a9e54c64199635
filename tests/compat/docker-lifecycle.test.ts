import { lifecycleScenarios } from '../system/scenarios/lifecycle.ts'

lifecycleScenarios('docker')
