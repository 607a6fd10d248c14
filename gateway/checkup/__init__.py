"""What `clarilink check` looks at: configuration files, and what they need of the machine, part by part."""
