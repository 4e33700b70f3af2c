#!/bin/bash
# Lands one download and powers the instance off, whatever happens. The worker reports to the state machine; where it
# could not even start, this does.
# The values are checked before they are put here; all else is the same for every run.
set -euo pipefail
control='@CONTROL@'
image='@IMAGE@'
region='@REGION@'
log_group='@LOG_GROUP@'

need_aws() {
    command -v aws >/dev/null || dnf install -y -q awscli-2
}

# Ends the waiting task. The token goes from the control document to the request, and nowhere else.
report() {
    need_aws
    local request
    request="$(aws s3 cp --only-show-errors --region "$region" "$control" - | python3 -c '
import json, sys
token, cause = json.load(sys.stdin)["task_token"], sys.argv[1]
print(json.dumps({"taskToken": token, "error": "Internal", "cause": cause}))' "$1")" &&
        aws stepfunctions send-task-failure --region "$region" --cli-input-json file:///dev/stdin <<<"$request"
}

at=starting
finish() {
    local status=$?
    trap - EXIT
    set +e
    case "$status" in
    0 | 64 | 65 | 70 | 75) ;; # done, or told by the worker itself
    *) report "the instance's script ended with status $status while it was $at; its console output (aws ec2 get-console-output) and the worker's log say more" ;;
    esac
    shutdown -P now
}
trap finish EXIT
shutdown -P +1500 # the watchdog: an hour longer than the state may wait

registry="${image%%/*}"
case "$registry" in
*.dkr.ecr.*.amazonaws.com)
    at="logging in to the registry of $image"
    need_aws
    registry_region="${registry#*.dkr.ecr.}"
    aws ecr get-login-password --region "${registry_region%%.*}" |
        docker login --username AWS --password-stdin "$registry"
    ;;
esac

at="pulling $image"
docker pull --quiet "$image" || { sleep 10 && docker pull --quiet "$image"; }

at="running $image"
docker run --rm --network host -e AWS_REGION="$region" \
    --log-driver awslogs --log-opt awslogs-region="$region" --log-opt awslogs-group="$log_group" \
    --log-opt awslogs-stream="land/${control##*/runs/}" \
    "$image" land --control "$control"
