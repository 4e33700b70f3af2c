#!/bin/bash
# Lands one download, reports to the state machine, and powers the instance off, whatever happens.
# The three values are checked before they are put here; all else is the same for every run.
set -euo pipefail
control='@CONTROL@'
image='@IMAGE@'
region='@REGION@'

trap 'shutdown -P now' EXIT
shutdown -P +1500 # the watchdog: an hour longer than the state may wait

registry="${image%%/*}"
case "$registry" in
*.dkr.ecr.*.amazonaws.com)
    command -v aws >/dev/null || dnf install -y -q awscli-2
    registry_region="${registry#*.dkr.ecr.}"
    aws ecr get-login-password --region "${registry_region%%.*}" |
        docker login --username AWS --password-stdin "$registry"
    ;;
esac

docker run --rm --network host -e AWS_REGION="$region" "$image" land --control "$control"
