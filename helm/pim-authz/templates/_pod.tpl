{{/* Parts of the pods of the server and of the migration. Secrets are mounted as files, never as variables, and as whole
folders: a mount of one file by subPath would never be updated. */}}

{{/* The mounted secrets of one pod, as a list of {volume, secret, items}. Takes a dictionary: root, isMigration. */}}
{{- define "pim-authz.secretFiles" -}}
{{- $values := .root.Values -}}
{{- $certificate := list (dict "key" "tls.crt" "path" "tls.crt") (dict "key" "tls.key" "path" "tls.key") -}}
{{- $files := list -}}
{{- $owner := ternary $values.migration $values.database .isMigration -}}
{{- $files = append $files (dict "volume" "database" "secret" $owner.urlSecret.name "items" (list (dict "key" $owner.urlSecret.key "path" "uri"))) -}}
{{- with $values.database.caSecret -}}
{{- if .name -}}
{{- $files = append $files (dict "volume" "database-ca" "secret" .name "items" (list (dict "key" .key "path" "ca.crt"))) -}}
{{- end -}}
{{- end -}}
{{- with $owner.certificateSecret.name -}}
{{- $files = append $files (dict "volume" "database-certificate" "secret" . "items" $certificate) -}}
{{- end -}}
{{- if not .isMigration -}}
{{- if $values.tls.enabled -}}
{{- $files = append $files (dict "volume" "tls" "secret" (include "pim-authz.tlsSecretName" .root) "items" $certificate) -}}
{{- with $values.tls.clientCaSecret -}}
{{- if .name -}}
{{- $files = append $files (dict "volume" "client-ca" "secret" .name "items" (list (dict "key" .key "path" "ca.crt"))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $values.callers.bootstrapKeySecret -}}
{{- if .name -}}
{{- $files = append $files (dict "volume" "bootstrap-key" "secret" .name "items" (list (dict "key" .key "path" "key"))) -}}
{{- end -}}
{{- end -}}
{{- with $values.callers.oidc.caSecret -}}
{{- if .name -}}
{{- $files = append $files (dict "volume" "oidc-ca" "secret" .name "items" (list (dict "key" .key "path" "ca.crt"))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $files -}}
{{- end -}}

{{- define "pim-authz.secretVolumes" -}}
{{- range include "pim-authz.secretFiles" . | fromYamlArray }}
- name: {{ .volume }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items:
      {{- toYaml .items | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "pim-authz.secretMounts" -}}
{{- range include "pim-authz.secretFiles" . | fromYamlArray }}
- name: {{ .volume }}
  mountPath: /etc/pim-authz/{{ .volume }}
  readOnly: true
{{- end }}
{{- end -}}

{{/* The variables of the connection to the database. */}}
{{- define "pim-authz.databaseEnv" -}}
{{- $database := .root.Values.database -}}
{{- $owner := ternary .root.Values.migration $database .isMigration -}}
- name: PIM_AUTHZ_DATABASE_URL_FILE
  value: /etc/pim-authz/database/uri
{{- with $database.sslmode }}
- name: PIM_AUTHZ_DATABASE_SSLMODE
  value: {{ . }}
{{- end }}
{{- if $database.caSecret.name }}
- name: PIM_AUTHZ_DATABASE_SSLROOTCERT
  value: /etc/pim-authz/database-ca/ca.crt
{{- else if eq $database.sslmode "verify-full" }}
- name: PIM_AUTHZ_DATABASE_SSLROOTCERT
  value: system
{{- end }}
{{- if $owner.certificateSecret.name }}
- name: PIM_AUTHZ_DATABASE_SSLCERT
  value: /etc/pim-authz/database-certificate/tls.crt
- name: PIM_AUTHZ_DATABASE_SSLKEY
  value: /etc/pim-authz/database-certificate/tls.key
{{- end }}
- name: RUST_LOG
  value: {{ .root.Values.logLevel | quote }}
{{- end -}}

{{/* The variables of the server. */}}
{{- define "pim-authz.serverEnv" -}}
{{- $values := .Values -}}
- name: PIM_AUTHZ_LISTEN
  value: {{ include "pim-authz.address" (list $values.listenHost 50051) | quote }}
- name: PIM_AUTHZ_HTTP_LISTEN
  value: {{ include "pim-authz.address" (list $values.listenHost 9464) | quote }}
{{ include "pim-authz.databaseEnv" (dict "root" . "isMigration" false) }}
- name: PIM_AUTHZ_WAIT_FOR_DATABASE
  value: "true"
- name: PIM_AUTHZ_CREDENTIALS
  value: required
{{- if $values.tls.enabled }}
- name: PIM_AUTHZ_TLS_CERT
  value: /etc/pim-authz/tls/tls.crt
- name: PIM_AUTHZ_TLS_KEY
  value: /etc/pim-authz/tls/tls.key
{{- if $values.tls.clientCaSecret.name }}
- name: PIM_AUTHZ_TLS_CLIENT_CA
  value: /etc/pim-authz/client-ca/ca.crt
{{- end }}
{{- else }}
- name: PIM_AUTHZ_INSECURE
  value: "true"
{{- end }}
{{- if $values.callers.bootstrapKeySecret.name }}
- name: PIM_AUTHZ_BOOTSTRAP_KEY_FILE
  value: /etc/pim-authz/bootstrap-key/key
{{- end }}
{{- with $values.callers.oidc }}
{{- if .issuer }}
- name: PIM_AUTHZ_OIDC_ISSUER
  value: {{ .issuer | quote }}
- name: PIM_AUTHZ_OIDC_AUDIENCE
  value: {{ .audience | quote }}
{{- with .jwks }}
- name: PIM_AUTHZ_OIDC_JWKS
  value: {{ . | quote }}
{{- end }}
{{- with .algorithms }}
- name: PIM_AUTHZ_OIDC_ALGORITHMS
  value: {{ join "," . | quote }}
{{- end }}
{{- if .caSecret.name }}
- name: PIM_AUTHZ_OIDC_CA
  value: /etc/pim-authz/oidc-ca/ca.crt
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := $values.settings }}
{{- if not (kindIs "invalid" $value) }}
- name: PIM_AUTHZ_{{ $name | snakecase | upper }}
  value: {{ include "pim-authz.number" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A value in its original notation: YAML's numbers are floats here, and large ones would be rendered with an exponent. */}}
{{- define "pim-authz.number" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* The versions of the secrets that a server reads only at its start, so that an upgrade restarts it when they have
changed. Only a version, not a checksum, which would help to guess a password. Empty where there is no cluster to look at. */}}
{{- define "pim-authz.secretVersions" -}}
{{- $versions := list -}}
{{- range include "pim-authz.secretFiles" (dict "root" . "isMigration" false) | fromYamlArray -}}
{{- if has .volume (list "database" "database-ca" "database-certificate" "bootstrap-key" "oidc-ca") -}}
{{- with lookup "v1" "Secret" $.Release.Namespace .secret -}}
{{- $versions = append $versions (printf "%s=%s" .metadata.name .metadata.resourceVersion) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- join "," $versions -}}
{{- end -}}
