"""The command line: thin, over what Python offers as well."""
