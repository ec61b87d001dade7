{{/* Contradictory settings end the rendering with an error that names the remedy. The rules are those by which the server itself
would refuse to start, which would only be visible in a pod's log. */}}

{{- define "pim-authz.check" -}}
{{- include "pim-authz.checkDatabase" . -}}
{{- include "pim-authz.checkTls" . -}}
{{- include "pim-authz.checkCallers" . -}}
{{- include "pim-authz.checkMemory" . -}}
{{- include "pim-authz.checkExtras" . -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail (printf "autoscaling.minReplicas (%d) is more than autoscaling.maxReplicas (%d)" (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- end -}}

{{- define "pim-authz.checkDatabase" -}}
{{- with .Values -}}
{{- if not .database.urlSecret.name -}}
{{- fail "database.urlSecret.name is required: a Secret with the URL of the servers' login to PostgreSQL (key `uri`, or database.urlSecret.key)" -}}
{{- end -}}
{{- if and .migration.enabled (not .migration.urlSecret.name) -}}
{{- fail "migration.urlSecret.name is required: a Secret with the URL of the schema's owner; or set migration.enabled=false and run `pim-authz migrate` by hand before each upgrade" -}}
{{- end -}}
{{- if and .migration.enabled (eq .migration.urlSecret.name .database.urlSecret.name) (eq .migration.urlSecret.key .database.urlSecret.key) (ne .migration.runtimeRole "none") -}}
{{- fail "migration.urlSecret and database.urlSecret are the same: servers must not log in as the schema's owner, who may alter the audit log; give them a login of their own, or set migration.runtimeRole=none if that is meant" -}}
{{- end -}}
{{- if and (eq .database.sslmode "verify-ca") (not .database.caSecret.name) -}}
{{- fail "database.sslmode=verify-ca needs database.caSecret.name: everybody can get a certificate of a public CA; name your CA, or use verify-full" -}}
{{- end -}}
{{- if and (eq .database.sslmode "disable") (or .database.caSecret.name .database.certificateSecret.name .migration.certificateSecret.name) -}}
{{- fail "database.sslmode=disable encrypts nothing, yet certificates are given (database.caSecret, database.certificateSecret or migration.certificateSecret): use verify-full, or leave them out" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pim-authz.checkTls" -}}
{{- with .Values.tls -}}
{{- if .enabled -}}
{{- if .insecure -}}
{{- fail "tls.insecure=true says that nothing here encrypts, but tls.enabled is true: leave one of the two out" -}}
{{- end -}}
{{- if .certManager.enabled -}}
{{- if not .certManager.issuerRef.name -}}
{{- fail "tls.certManager.issuerRef.name is required: the Issuer or ClusterIssuer of cert-manager that signs the servers' certificate" -}}
{{- end -}}
{{- else if not .existingSecret -}}
{{- fail "TLS needs a certificate: name a Secret with tls.crt and tls.key in tls.existingSecret, or set tls.certManager.enabled=true; behind a service mesh that encrypts, set tls.enabled=false and tls.insecure=true" -}}
{{- end -}}
{{- else -}}
{{- if not .insecure -}}
{{- fail "tls.enabled=false: callers' keys could be read on the way, and the server would refuse to start; set tls.insecure=true if something else encrypts, such as a service mesh" -}}
{{- end -}}
{{- if or .existingSecret .certManager.enabled -}}
{{- fail "tls.enabled=false, yet a certificate is given (tls.existingSecret or tls.certManager): set tls.enabled=true, or leave it out" -}}
{{- end -}}
{{- if .clientCaSecret.name -}}
{{- fail "tls.clientCaSecret needs TLS: callers show their certificates in its handshake; set tls.enabled=true, or leave it out" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pim-authz.checkCallers" -}}
{{- with .Values.callers.oidc -}}
{{- if and .issuer (not .audience) -}}
{{- fail "callers.oidc.audience is required with callers.oidc.issuer: without it, tokens that are meant for other services would be accepted" -}}
{{- end -}}
{{- if and (not .issuer) (or .audience .jwks .algorithms .caSecret.name) -}}
{{- fail "callers.oidc needs callers.oidc.issuer: without an issuer, the audience, jwks, algorithms and caSecret mean nothing" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.settings.callerBurst (not .Values.settings.callerRate) -}}
{{- fail "settings.callerBurst needs settings.callerRate: without a rate there is no limit" -}}
{{- end -}}
{{- end -}}

{{/* The measured maximum under a flood: the cache, one and a half times the memory of calls, and 200 MiB. */}}
{{- define "pim-authz.checkMemory" -}}
{{- $limit := dig "limits" "memory" "" .Values.resources -}}
{{- if $limit -}}
{{- $cache := dig "cacheMib" 256 .Values.settings | int -}}
{{- $calls := dig "callMib" 512 .Values.settings | int -}}
{{- $needed := add $cache $calls (div $calls 2) 200 | int -}}
{{- $held := include "pim-authz.mebibytes" $limit | int -}}
{{- if lt $held $needed -}}
{{- fail (printf "resources.limits.memory=%s is too little: settings.cacheMib=%d and one and a half times settings.callMib=%d, and 200 MiB for the rest, are %dMi; raise the limit or lower the settings" (toString $limit) $cache $calls $needed) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A quantity of Kubernetes in MiB, rounded down. */}}
{{- define "pim-authz.mebibytes" -}}
{{- $text := toString . -}}
{{- $bytes := dict "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 -}}
{{- $unit := regexFind "(Ki|Mi|Gi|Ti|k|M|G|T)$" $text -}}
{{- $factor := 1.0 -}}
{{- if $unit -}}{{- $factor = get $bytes $unit -}}{{- end -}}
{{- divf (mulf (trimSuffix $unit $text | float64) $factor) 1048576.0 | floor | int64 -}}
{{- end -}}

{{/* Rejects variables and options that the chart sets itself: they would be silently overridden, or set twice. */}}
{{- define "pim-authz.checkExtras" -}}
{{- $taken := list "PIM_AUTHZ_DATABASE_URL" "PIM_AUTHZ_DATA_DIR" "PIM_AUTHZ_MIGRATE" "PIM_AUTHZ_INSECURE" "PIM_AUTHZ_TLS_CERT" "PIM_AUTHZ_TLS_KEY" -}}
{{- range include "pim-authz.serverEnv" . | fromYamlArray -}}
{{- $taken = append $taken .name -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if has .name $taken -}}
{{- fail (printf "extraEnv sets %s, which the chart decides: use the value that is made for it (README.md of the chart)" .name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraArgs -}}
{{- $variable := printf "PIM_AUTHZ_%s" (regexReplaceAll "=.*" . "" | trimPrefix "--" | replace "-" "_" | upper) -}}
{{- if has $variable $taken -}}
{{- fail (printf "extraArgs has %s, which the chart decides: use the value that is made for it (README.md of the chart)" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
