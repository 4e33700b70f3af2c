//! What every function's `main` needs: the environment, telemetry, the Lambda runtime.
