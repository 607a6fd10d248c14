"""What a station that nobody looks at needs: control socket, metrics, the supervisor's protocol."""
